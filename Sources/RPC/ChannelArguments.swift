internal import CGRPC
internal import Glibc

/// The arguments of a gRPC channel or server. Which, and why: measured on this project's work.
struct ChannelArguments {
    private var integers: [(key: String, value: CInt)]
    private var strings: [(key: String, value: String)] = []

    private init(messageBytesMax: Int) {
        integers = [
            ("grpc.max_receive_message_length", CInt(clamping: messageBytesMax)),
            // Probing opens the window to megabytes: that much would sit between a slow reader and
            // the daemon that streams to it.
            ("grpc.http2.bdp_probe", 0),
            // Nobody looks at gRPC's own statistics.
            ("grpc.enable_channelz", 0),
            // Nothing is gained by compressing for the same machine. (What is received compressed
            // is read nevertheless.)
            ("grpc.per_message_compression", 0),
        ]
    }

    /// For a connection to a server.
    static func client(messageBytesMax: Int) -> ChannelArguments {
        var arguments = ChannelArguments(messageBytesMax: messageBytesMax)
        arguments.strings.append(("grpc.default_authority", "localhost"))
        return arguments
    }

    /// For a server.
    static func server(messageBytesMax: Int) -> ChannelArguments {
        var arguments = ChannelArguments(messageBytesMax: messageBytesMax)
        // Of one connection. gRPC keeps calls that find no free thread, without a bound of its own.
        arguments.integers.append(("grpc.max_concurrent_streams", 1_024))
        return arguments
    }

    /// Gives the arguments in gRPC's form; they live as long as `body` runs (gRPC copies them).
    func withGRPC<Result>(_ body: (UnsafePointer<grpc_channel_args>) -> Result) -> Result {
        var owned: [UnsafeMutablePointer<CChar>?] = []
        defer { for text in owned { free(text) } }
        func text(_ string: String) -> UnsafeMutablePointer<CChar>? {
            let copy = strdup(string)
            owned.append(copy)
            return copy
        }
        var list: [grpc_arg] = []
        for (key, value) in integers {
            var argument = grpc_arg()
            argument.type = GRPC_ARG_INTEGER
            argument.key = text(key)
            argument.value.integer = value
            list.append(argument)
        }
        for (key, value) in strings {
            var argument = grpc_arg()
            argument.type = GRPC_ARG_STRING
            argument.key = text(key)
            argument.value.string = text(value)
            list.append(argument)
        }
        return list.withUnsafeMutableBufferPointer { buffer in
            var arguments = grpc_channel_args(num_args: buffer.count, args: buffer.baseAddress)
            return body(&arguments)
        }
    }
}
