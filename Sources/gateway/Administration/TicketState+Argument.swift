public import ArgumentParser
public import Backlog

/// Typed by its name.
extension TicketState: ExpressibleByArgument {}
