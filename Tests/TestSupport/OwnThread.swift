private import Foundation
private import Glibc

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

/// Runs a body on a thread that has no more rights to files than an ordinary user, and returns when it has ended.
///
/// setfsuid(2) is about one thread and takes CAP_DAC_OVERRIDE and CAP_DAC_READ_SEARCH from it; whoever is no superuser
/// has neither to begin with.
public func withoutPrivileges(_ body: @escaping @Sendable () -> Void) {
    concurrently([
        {
            if geteuid() == 0 {
                typealias Call = @convention(c) (uid_t) -> CInt
                // glibc declares it in a header that Swift's Glibc module does not have.
                if let setfsuid = dlsym(nil, "setfsuid") {
                    _ = unsafeBitCast(setfsuid, to: Call.self)(65_534)
                }
            }
            body()
        }
    ])
}
