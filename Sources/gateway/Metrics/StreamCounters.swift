import Synchronization

/// Counts how whole lists ended.
final class StreamCounters: Sendable {
    private let whole = Atomic(0)
    private let left = Atomic(0)
    private let stalled = Atomic(0)
    private let cutOff = Atomic(0)

    func count(_ outcome: ListStream.Outcome) {
        switch outcome {
        case .whole: whole.add(1, ordering: .relaxed)
        case .clientGone: left.add(1, ordering: .relaxed)
        case .clientStalled: stalled.add(1, ordering: .relaxed)
        case .cutOff: cutOff.add(1, ordering: .relaxed)
        }
    }

    func append(to text: inout MetricsText) {
        text.family("pasarela_streams_total", .counter, "Whole lists by how they ended.")
        text.sample([("outcome", "whole")], whole.load(ordering: .relaxed))
        text.sample([("outcome", "left")], left.load(ordering: .relaxed))
        text.sample([("outcome", "stalled")], stalled.load(ordering: .relaxed))
        text.sample([("outcome", "cut_off")], cutOff.load(ordering: .relaxed))
    }
}
