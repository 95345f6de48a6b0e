@testable internal import FastCGI
internal import Synchronization
internal import Testing

@Suite struct `A connection's slot` {
    @Test func `goes round through idle, busy and vacant`() {
        let slot = ConnectionSlot()
        #expect(slot.isVacant)
        let generation = slot.open(7)
        #expect(generation == 1)
        #expect(slot.descriptor == 7)
        #expect(!slot.takeIdle())
        #expect(slot.settle(closableFrom: 5))
        #expect(slot.isIdle)
        #expect(slot.closableFrom == 5)
        #expect(slot.take(generation) == .mine)
        #expect(!slot.isIdle)
        slot.vacate()
        #expect(slot.isVacant)
        #expect(slot.take(generation) == .stale)
        #expect(slot.open(7) == 2)
    }

    @Test func `leaves an event that comes before its owner has settled to the owner`() {
        let slot = ConnectionSlot()
        let generation = slot.open(7)
        #expect(slot.take(generation) == .leftToOwner)
        #expect(!slot.takeIdle())
        #expect(!slot.settle(closableFrom: 1))
        #expect(slot.settle(closableFrom: 2))
        #expect(slot.take(generation) == .mine)
    }

    @Test func `refuses the event of an earlier connection of the same number`() {
        let slot = ConnectionSlot()
        let first = slot.open(7)
        slot.vacate()
        let second = slot.open(7)
        #expect(slot.settle(closableFrom: 1))
        #expect(slot.take(first) == .stale)
        #expect(slot.isIdle)
        #expect(slot.takeIdle())
        #expect(slot.take(second) == .leftToOwner)
    }
}
