import RabbitMQ
import Threads

/// A thread that interrupts once.
struct OwnInterruption {
    private let thread: WorkerThread

    init(_ interrupter: BrokerInterrupter) throws {
        thread = try WorkerThread(name: "interrupt") { interrupter.interrupt() }
    }

    func join() { thread.join() }
}
