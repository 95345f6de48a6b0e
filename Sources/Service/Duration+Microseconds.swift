extension Duration {
    /// Whole microseconds, as log fields give durations.
    public var wholeMicroseconds: Int64 {
        components.seconds * 1_000_000 + components.attoseconds / 1_000_000_000_000
    }
}
