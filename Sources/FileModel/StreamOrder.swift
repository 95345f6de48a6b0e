/// How a whole list comes, where it is streamed.
public enum StreamOrder: Sendable, Hashable {
    /// As the file system gives it. Needs no memory.
    case unsorted
    /// In the query's order, from behind a place on. All names are held in memory meanwhile.
    case sorted(after: ListPosition?)
}
