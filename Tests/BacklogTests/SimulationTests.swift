import TestSupport
import Testing

@testable import Backlog

/// Gateways of one tree whose clocks, disks, broker and daemons do what they like, for a million steps.
@Suite struct SimulationTests {
    @Test func `whatever happens no ticket is lost, and none gets another's answer`() {
        var world = SimulatedWorld(random: SeededGenerator(announcedFor: #function))
        for _ in 0..<1_000_000 {
            world.step()
            if world.complaint != nil { break }
        }
        world.heal()
        #expect(world.complaint == nil)
        #expect(world.accepted > 10_000)
        #expect(world.crashes > 1_000)
        print(world.summary)
    }

    @Test func `where place and time are short, everything happens that can, and nothing else`() {
        var world = SimulatedWorld(
            random: SeededGenerator(announcedFor: #function), isTight: true)
        for _ in 0..<300_000 {
            world.step()
            if world.complaint != nil { break }
        }
        world.heal()
        #expect(world.complaint == nil)
        #expect(
            world.actions == [
                "keepRequest", "keepAnswer", "dropAnswer", "dropBytes", "refuse", "hold",
                "tryAgain",
            ])
        for count in TicketCount.allCases {
            #expect(world.counts[count, default: 0] > 0, "\(count)")
        }
        print(world.summary)
        print(world.counts)
    }
}
