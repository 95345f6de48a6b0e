internal import Synchronization

/// How far the stopping of a server has come, for all its calls.
final class StopSignal: Sendable {
    /// No new call is taken.
    let isStopping = Atomic<Bool>(false)
    /// The calls under way are cancelled, those on their way are refused.
    let isCutOff = Atomic<Bool>(false)
}
