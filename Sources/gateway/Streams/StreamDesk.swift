import ArchiveProtocol
import FastCGI
import FileModel
import RPC
import Threads

/// Answers with whole lists, line by line, as long as a client reads.
struct StreamDesk: Sendable {
    let answers: ListAnswers
    let places: StreamPlaces
    /// How long a request waits for a daemon that is absent, where it does not say.
    let patience: Duration
    /// How long a whole stream may take.
    let life: Duration

    /// Opens the list that a request asks for; its first piece is there.
    ///
    /// - Parameter parameters: the request's.
    /// - Throws: ``Problem``: the cursor's, the daemon's; `overload` where all places are taken, or all that one client gets.
    func open(
        _ request: ListRequest, _ parameters: ListParameters, preferring preferences: Preferences,
        for identity: RequestIdentity, client: ClientAddress, peer: Peer?
    ) throws(Problem) -> ListStream {
        let after = try answers.place(of: parameters)
        let cancellation = RPCCancellation(whenGone: peer)
        let daemon = answers.daemon(for: request)
        let patience = preferences.wait.map { Duration.seconds($0) } ?? patience
        var patienceEnds: Int64?
        while true {
            do throws(Problem) {
                // Held while the list is read, not while the daemon is waited for.
                let place = try place(for: client)
                let (stream, first) = try answers.daemons.stream(
                    parameters, after: after, for: identity, silence: daemon.deadline, life: life,
                    cancellation: cancellation)
                return ListStream(
                    stream, first,
                    ListLines(parameters, as: request.form, language: request.language),
                    silence: daemon.deadline, place: place)
            } catch {
                // As for a page; but a stream never becomes a ticket.
                guard error.isDaemonAbsent else { throw error }
                let end = patienceEnds ?? MonotonicClock.now + patience.wholeNanoseconds
                patienceEnds = end
                guard daemon.watch.awaitReturn(until: end) == .back else { throw error }
            }
        }
    }

    private func place(for client: ClientAddress) throws(Problem) -> StreamPlaces.Place {
        do throws(StreamPlaces.Refusal) {
            return try places.take(for: client)
        } catch {
            switch error {
            case .allTaken: throw .overload("\(places.count) streams are under way")
            case .clientHasIts:
                throw .overload("\(places.countOfOne) streams of this client are under way")
            }
        }
    }
}

/// A list that is being answered with.
final class ListStream {
    /// How it ended.
    enum Outcome {
        /// With its end line.
        case whole
        /// The client has gone.
        case clientGone
        /// The client has taken nothing for too long.
        case clientStalled
        /// The daemon has gone, or failed: what came is cut off.
        case cutOff(String)
    }

    private let stream: EntryStream
    private var next: StreamPiece
    private var lines: ListLines
    private let silence: Duration
    /// Held as long as this is.
    private let place: StreamPlaces.Place

    init(
        _ stream: EntryStream, _ first: StreamPiece, _ lines: ListLines, silence: Duration,
        place: StreamPlaces.Place
    ) {
        self.stream = stream
        next = first
        self.lines = lines
        self.silence = silence
        self.place = place
    }

    /// Writes all of it.
    func write(to writer: BodyWriter, for peer: Peer?) -> Outcome {
        while true {
            switch next {
            case .end(let end, _):
                let last = lines.end(isComplete: end.isComplete, end.notices)
                return writer.write(last) ? .whole : unwritten(writer)
            case .entries(let entries, let isOfOneEntry):
                guard
                    entries.count == 0
                        || writer.write(lines.piece(entries, isOfOneEntry: isOfOneEntry))
                else { return unwritten(writer) }
            }
            do throws(RPCError) {
                next = try stream.next(within: silence)
            } catch {
                if peer?.isGone ?? false { return .clientGone }
                return .cutOff("\(error.code): \(error.message)")
            }
        }
    }

    private func unwritten(_ writer: BodyWriter) -> Outcome {
        stream.cancel()
        return writer.hasStalled ? .clientStalled : .clientGone
    }

    /// Lines written so far.
    var count: Int { lines.count }
}
