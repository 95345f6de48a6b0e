/// The longest message between gateway and daemon, in bytes.
///
/// A page of 1,000 entries with the longest names, folders and link texts is some 9.5 MB.
public let archiveMessageBytesMax = 16 * 1_024 * 1_024
