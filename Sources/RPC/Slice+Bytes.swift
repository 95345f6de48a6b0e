internal import CGRPC
internal import Glibc

extension grpc_slice {
    /// A slice with its own copy; to be released by `grpc_slice_unref`.
    init(copying text: some StringProtocol) {
        var text = String(text)
        self = text.withUTF8 { utf8 in
            utf8.withMemoryRebound(to: CChar.self) { bytes in
                // gRPC wants a pointer even for no bytes.
                guard let start = bytes.baseAddress else { return grpc_empty_slice() }
                return grpc_slice_from_copied_buffer(start, bytes.count)
            }
        }
    }

    /// The text in it; bytes that are not UTF-8 are repaired.
    var text: String {
        withUnsafePointer(to: self) { slice in
            let bytes = UnsafeBufferPointer(
                start: cgrpc_slice_bytes(slice), count: cgrpc_slice_length(slice))
            return String(decoding: bytes, as: UTF8.self)
        }
    }
}

/// A message on its way to gRPC or from it.
typealias ByteBuffer = UnsafeMutablePointer<grpc_byte_buffer>

extension ByteBuffer {
    /// A message with its own copy of the bytes; to be released by `grpc_byte_buffer_destroy`.
    static func copying(_ bytes: [UInt8]) -> ByteBuffer? {
        var slice = grpc_slice_malloc(bytes.count)
        bytes.withUnsafeBytes { source in
            // The slice was just made, so nobody else sees its bytes yet.
            let target = UnsafeMutableRawPointer(mutating: cgrpc_slice_bytes(&slice))
            guard let target, let start = source.baseAddress else { return }
            target.copyMemory(from: start, byteCount: source.count)
        }
        defer { grpc_slice_unref(slice) }
        return grpc_raw_byte_buffer_create(&slice, 1)
    }

    /// The bytes, in one array; the message is destroyed. (gRPC has decompressed it already.)
    consuming func takeBytes() -> [UInt8] {
        defer { grpc_byte_buffer_destroy(self) }
        guard let slices = cgrpc_byte_buffer_slices(self) else { return [] }
        let buffer = slices.pointee
        return [UInt8](unsafeUninitializedCapacity: buffer.length) { target, count in
            guard let first = buffer.slices, let start = target.baseAddress else { return }
            for index in 0..<buffer.count {
                let length = cgrpc_slice_length(first + index)
                guard length > 0, let bytes = cgrpc_slice_bytes(first + index) else { continue }
                (start + count).update(from: bytes, count: length)
                count += length
            }
        }
    }
}
