private import Foundation
private import Glibc
private import Synchronization

/// Runs each body on a thread of its own and returns when all have ended.
public func concurrently(_ bodies: [@Sendable () -> Void]) {
    let left = NSCondition()
    // Read and written only while `left` is locked.
    nonisolated(unsafe) var running = bodies.count
    for body in bodies {
        Thread.detachNewThread {
            body()
            left.lock()
            running -= 1
            left.signal()
            left.unlock()
        }
    }
    left.lock()
    while running > 0 { left.wait() }
    left.unlock()
}

/// Runs a body on a thread that has no more rights to files than an ordinary user, and returns its value.
///
/// setfsuid(2) is about one thread and takes CAP_DAC_OVERRIDE and CAP_DAC_READ_SEARCH from it; whoever is no superuser
/// has neither to begin with. The body should return what is to be expected of: there is no current test on its thread.
public func withoutPrivileges<Value: Sendable>(
    _ body: @escaping @Sendable () throws -> Value
) throws -> Value {
    let outcome = Mutex<Result<Value, any Error>?>(nil)
    concurrently([
        {
            setFileSystemUser(65_534)
            let result = Result { try body() }
            // What the thread holds last is freed with the rights that it was made with.
            setFileSystemUser(0)
            outcome.withLock { $0 = result }
        }
    ])
    guard let result = outcome.withLock({ $0 }) else { preconditionFailure("the thread has ended") }
    return try result.get()
}

private func setFileSystemUser(_ user: uid_t) {
    typealias Call = @convention(c) (uid_t) -> CInt
    // glibc declares it in a header that Swift's Glibc module does not have.
    guard geteuid() == 0, let setfsuid = dlsym(nil, "setfsuid") else { return }
    _ = unsafeBitCast(setfsuid, to: Call.self)(user)
}
