// swift-tools-version: 6.2
import PackageDescription

/// Every target of Pasarela is built alike: Swift 6 mode, warnings as errors, imports that say what they expose.
let strict: [SwiftSetting] = [
    .swiftLanguageMode(.v6),
    .treatAllWarnings(as: .error),
    .enableUpcomingFeature("ExistentialAny"),
    .enableUpcomingFeature("InternalImportsByDefault"),
    .enableUpcomingFeature("MemberImportVisibility"),
    // The modules are drawn for readers; the compiler may look across them. Halves the CPU of a page.
    .unsafeFlags(["-cross-module-optimization"], .when(configuration: .release)),
]

let package = Package(
    name: "pasarela",
    products: [
        .executable(name: "gateway", targets: ["gateway"]),
        .executable(name: "mserv1", targets: ["mserv1"]),
        .executable(name: "mserv2", targets: ["mserv2"]),
    ],
    dependencies: [
        .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.2"),
        .package(url: "https://github.com/groue/GRDB.swift", from: "7.10.0"),
        .package(url: "https://github.com/apple/swift-log", from: "1.16.2"),
        // Without its traits: they reach the compiler in the order of a hashed set, so it would be built again and again.
        .package(url: "https://github.com/apple/swift-protobuf", from: "1.39.0", traits: []),
    ],
    targets: [
        // The C libraries: their headers, and the few inline lines for what Swift can't call.
        .systemLibrary(name: "CFastCGI", pkgConfig: "fcgi", providers: [.apt(["libfcgi-dev"])]),
        .systemLibrary(name: "CGRPC", providers: [.apt(["libgrpc-dev"])]),
        .systemLibrary(name: "CLinux"),
        .systemLibrary(name: "COpenSSL", pkgConfig: "libcrypto", providers: [.apt(["libssl-dev"])]),
        .systemLibrary(
            name: "CRabbitMQ", pkgConfig: "librabbitmq", providers: [.apt(["librabbitmq-dev"])]),
        .systemLibrary(
            name: "CSystemd", pkgConfig: "libsystemd", providers: [.apt(["libsystemd-dev"])]),
        .systemLibrary(name: "CUTF8Proc", providers: [.apt(["libutf8proc-dev"])]),

        // Libraries. Arrows point one way; docs/architecture.md says what each knows nothing of.
        .target(name: "FileModel", dependencies: ["CUTF8Proc"], swiftSettings: strict),
        .target(name: "Threads", dependencies: ["CLinux"], swiftSettings: strict),
        .target(
            name: "FastCGI", dependencies: ["CFastCGI", "CLinux", "Threads"], swiftSettings: strict),
        .target(name: "RPC", dependencies: ["CGRPC", "CLinux", "Threads"], swiftSettings: strict),
        .target(
            name: "ArchiveProtocol",
            dependencies: [
                "FileModel", "RPC", .product(name: "SwiftProtobuf", package: "swift-protobuf"),
            ],
            exclude: ["Protos"], swiftSettings: strict),
        .target(name: "RootedFiles", dependencies: ["FileModel", "CLinux"], swiftSettings: strict),
        .target(
            name: "Listing", dependencies: ["RootedFiles", "FileModel"], swiftSettings: strict),
        .target(
            name: "NameIndex", dependencies: ["RootedFiles", "FileModel"], swiftSettings: strict),
        .target(
            name: "RabbitMQ", dependencies: ["CLinux", "CRabbitMQ", "Threads"],
            swiftSettings: strict),
        .target(
            name: "Backlog",
            dependencies: [
                "RabbitMQ", "Threads", .product(name: "GRDB", package: "GRDB.swift"),
                .product(name: "GRDBSQLite", package: "GRDB.swift"),
                .product(name: "Logging", package: "swift-log"),
                .product(name: "SwiftProtobuf", package: "swift-protobuf"),
            ],
            exclude: ["Protos"], swiftSettings: strict),
        .target(
            name: "Systemd",
            dependencies: [
                "CLinux", "CSystemd", "Threads", .product(name: "Logging", package: "swift-log"),
            ],
            swiftSettings: strict),
        .target(
            name: "Service",
            dependencies: [
                "CLinux", "Systemd", "Threads", .product(name: "Logging", package: "swift-log"),
                .product(name: "ArgumentParser", package: "swift-argument-parser"),
            ],
            swiftSettings: strict),
        .target(
            name: "TreeDaemon",
            dependencies: [
                "ArchiveProtocol", "FileModel", "RootedFiles", "RPC", "Service", "Systemd",
                .product(name: "Logging", package: "swift-log"),
            ],
            swiftSettings: strict),

        // The three services.
        .executableTarget(
            name: "gateway",
            dependencies: [
                "ArchiveProtocol", "Backlog", "CLinux", "COpenSSL", "FastCGI", "FileModel", "RPC",
                "RabbitMQ", "Service", "Systemd", "Threads",
                .product(name: "Logging", package: "swift-log"),
                .product(name: "ArgumentParser", package: "swift-argument-parser"),
                .product(name: "SwiftProtobuf", package: "swift-protobuf"),
            ],
            exclude: ["Administration/Protos", "Tickets/Protos"],
            resources: [.embedInCode("Answers/openapi.json")], swiftSettings: strict),
        .executableTarget(
            name: "mserv1",
            dependencies: [
                "ArchiveProtocol", "FileModel", "Listing", "RPC", "Service", "TreeDaemon",
                .product(name: "Logging", package: "swift-log"),
                .product(name: "ArgumentParser", package: "swift-argument-parser"),
            ],
            swiftSettings: strict),
        .executableTarget(
            name: "mserv2",
            dependencies: [
                "ArchiveProtocol", "FileModel", "NameIndex", "RPC", "Service", "TreeDaemon",
                .product(name: "Logging", package: "swift-log"),
                .product(name: "ArgumentParser", package: "swift-argument-parser"),
            ],
            swiftSettings: strict),

        // Tests: a suite per module, and the whole of it over HTTPS.
        // What tests of several modules need: seeded random numbers, folders and threads of their own.
        .target(
            name: "TestSupport", dependencies: ["FileModel"], path: "Tests/TestSupport",
            swiftSettings: strict),
        .testTarget(
            name: "FileModelTests", dependencies: ["FileModel", "TestSupport"],
            swiftSettings: strict),
        .testTarget(
            name: "RootedFilesTests", dependencies: ["FileModel", "RootedFiles", "TestSupport"],
            swiftSettings: strict),
        .testTarget(
            name: "ListingTests",
            dependencies: ["FileModel", "Listing", "RootedFiles", "TestSupport"],
            swiftSettings: strict),
        .testTarget(
            name: "NameIndexTests",
            dependencies: ["FileModel", "NameIndex", "RootedFiles", "TestSupport"],
            swiftSettings: strict),
        .testTarget(
            name: "ArchiveProtocolTests",
            dependencies: [
                "ArchiveProtocol", "FileModel", "RPC", "TestSupport",
                .product(name: "SwiftProtobuf", package: "swift-protobuf"),
            ],
            swiftSettings: strict),
        .testTarget(
            name: "SystemdTests",
            dependencies: [
                "CLinux", "Systemd", "TestSupport", "Threads",
                .product(name: "Logging", package: "swift-log"),
            ],
            swiftSettings: strict),
        .testTarget(
            name: "ServiceTests",
            dependencies: [
                "Service", "TestSupport", .product(name: "Logging", package: "swift-log"),
            ],
            swiftSettings: strict),
        .testTarget(
            name: "GatewayTests",
            dependencies: [
                "Backlog", "FastCGI", "FileModel", "RPC", "Service", "TestSupport", "Threads",
                "gateway",
                .product(name: "ArgumentParser", package: "swift-argument-parser"),
                .product(name: "Logging", package: "swift-log"),
                .product(name: "SwiftProtobuf", package: "swift-protobuf"),
            ],
            swiftSettings: strict),
        .testTarget(
            name: "FastCGITests", dependencies: ["FastCGI", "CLinux"], swiftSettings: strict),
        .testTarget(
            name: "RPCTests", dependencies: ["RPC", "CLinux", "Threads"], swiftSettings: strict),
        .testTarget(
            name: "RabbitMQTests", dependencies: ["RabbitMQ", "TestSupport", "Threads"],
            swiftSettings: strict),
        .testTarget(
            name: "BacklogTests",
            dependencies: [
                "Backlog", "RabbitMQ", "TestSupport", "Threads",
                .product(name: "GRDB", package: "GRDB.swift"),
                .product(name: "Logging", package: "swift-log"),
            ],
            swiftSettings: strict),
        .testTarget(name: "IntegrationTests", swiftSettings: strict),
    ]
)
