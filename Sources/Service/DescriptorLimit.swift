private import Glibc

/// How many descriptors a process may have.
enum DescriptorLimit {
    /// Raises the soft limit to the hard one. The soft limit of 1,024 is there for select(2), which nothing here uses
    /// (getrlimit(2); systemd.exec(5), "LimitNOFILE=").
    static func raise() {
        var limit = rlimit()
        guard getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit) == 0 else { return }
        limit.rlim_cur = limit.rlim_max
        // A refusal leaves the limit as it was, which serves fewer connections, but serves.
        _ = setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
    }
}
