internal import CRabbitMQ

/// Owns the texts and tables that a call of librabbitmq points to, until after the call.
final class LibraryMemory {
    private var blocks: [UnsafeMutableRawPointer] = []

    deinit { for block in blocks { block.deallocate() } }

    /// The UTF-8 of a text, without NUL.
    func bytes(_ text: String) -> amqp_bytes_t {
        var text = text
        return text.withUTF8 { utf8 in
            let block = allocate(bytes: utf8.count, alignment: 1)
            if let start = utf8.baseAddress {
                block.copyMemory(from: start, byteCount: utf8.count)
            }
            return amqp_bytes_t(len: utf8.count, bytes: block)
        }
    }

    /// A table of these entries, in this order.
    func table(_ entries: [(name: String, value: amqp_field_value_t)]) -> amqp_table_t {
        guard !entries.isEmpty else { return amqp_table_t(num_entries: 0, entries: nil) }
        let stride = MemoryLayout<amqp_table_entry_t>.stride
        let block = allocate(
            bytes: entries.count * stride, alignment: MemoryLayout<amqp_table_entry_t>.alignment
        ).bindMemory(to: amqp_table_entry_t.self, capacity: entries.count)
        for (index, entry) in entries.enumerated() {
            (block + index).initialize(
                to: amqp_table_entry_t(key: bytes(entry.name), value: entry.value))
        }
        return amqp_table_t(num_entries: CInt(entries.count), entries: block)
    }

    /// A queue's arguments, in the order of their names.
    func table(_ arguments: [String: QueueDeclaration.Argument]) -> amqp_table_t {
        table(
            arguments.sorted { $0.key < $1.key }.map { name, argument in
                switch argument {
                case .number(let number): (name, crabbitmq_number(number))
                case .text(let text): (name, crabbitmq_text(bytes(text)))
                case .truth(let truth): (name, crabbitmq_truth(truth ? 1 : 0))
                }
            })
    }

    private func allocate(bytes: Int, alignment: Int) -> UnsafeMutableRawPointer {
        let block = UnsafeMutableRawPointer.allocate(
            byteCount: max(bytes, 1), alignment: alignment)
        blocks.append(block)
        return block
    }
}

extension String {
    /// A text of the broker's, repaired where it is not UTF-8.
    init(_ bytes: amqp_bytes_t) {
        self.init(
            decoding: UnsafeRawBufferPointer(start: bytes.bytes, count: bytes.len), as: UTF8.self)
    }
}
