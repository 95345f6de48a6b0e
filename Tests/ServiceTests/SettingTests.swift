import Logging
import Service
import Testing

@Suite struct SettingTests {
    /// The value that a text gives, or the flaw's line.
    private static func read<Value>(
        _ setting: Setting<Value>, _ text: String?
    ) -> Result<Value, Settings.Flaw> {
        do throws(Settings.Flaw) {
            return .success(try Settings(text.map { [setting.name: $0] } ?? [:]).value(setting))
        } catch {
            return .failure(error)
        }
    }

    private static func value<Value>(_ setting: Setting<Value>, _ text: String?) -> Value? {
        try? read(setting, text).get()
    }

    @Test(
        arguments: [
            ("yes", true), ("no", false), (nil, true), ("true", nil), ("YES", nil), ("", nil),
            (" yes", nil),
            ("1", nil),
        ] as [(String?, Bool?)])
    func `a flag is yes or no`(text: String?, value: Bool?) {
        #expect(Self.value(.flag("PASARELA_X", fallback: true, purpose: ""), text) == value)
    }

    @Test(
        arguments: [
            ("1", 1), ("1024", 1_024), ("007", 7), (nil, 64), ("0", nil), ("1025", nil), ("", nil),
            ("+5", nil), ("-5", nil), ("5 ", nil), ("5.0", nil), ("0x5", nil), ("٥", nil),
            ("99999999999999999999", nil),
        ] as [(String?, Int?)])
    func `a whole number is plain digits in its range`(text: String?, value: Int?) {
        let setting = Setting.integer("PASARELA_X", fallback: 64, in: 1...1_024, purpose: "")
        #expect(Self.value(setting, text) == value)
    }

    @Test(
        arguments: [
            ("1", 1_000), ("0.25", 250), ("0.5", 500), ("0.001", 1), ("30", 30_000),
            ("30.0", 30_000),
            ("0", 0), (nil, 1_500), ("30.001", nil), ("1.", nil), (".5", nil), ("1.2345", nil),
            ("", nil),
            ("1,5", nil), ("-1", nil), ("1e1", nil), ("1.2.3", nil), ("99999999999999999999", nil),
            ("9223372036854775", nil), ("1s", nil),
        ] as [(String?, Int?)])
    func `seconds have up to three decimals`(text: String?, milliseconds: Int?) {
        let setting = Setting.seconds("PASARELA_X", fallback: "1.5", in: 0...30, purpose: "")
        #expect(Self.value(setting, text) == milliseconds.map { .milliseconds($0) })
    }

    @Test(
        arguments: [
            ("0600", 0o600), ("666", 0o666), ("0777", 0o777), (nil, 0o660), ("0577", nil),
            ("01777", nil),
            ("0o666", nil), ("888", nil), ("", nil), ("-666", nil), ("+666", nil),
        ] as [(String?, Int?)])
    func `a mode is octal permission bits`(text: String?, value: Int?) {
        #expect(Self.value(.mode("PASARELA_X", fallback: "0660", purpose: ""), text) == value)
    }

    @Test(
        arguments: [
            ("/", "/"), ("/run/a b", "/run/a b"), (nil, "/f"), ("run", nil), ("", nil),
            ("./x", nil),
            ("~/x", nil),
        ] as [(String?, String?)])
    func `a path is absolute`(text: String?, value: String?) {
        #expect(Self.value(.path("PASARELA_X", fallback: "/f", purpose: ""), text) == value)
    }

    @Test(
        arguments: [
            ("info", .info), ("critical", .critical), (nil, .notice), ("Info", nil), ("", nil),
            ("warn", nil),
        ] as [(String?, Logger.Level?)])
    func `a log level is one of swift-log's`(text: String?, value: Logger.Level?) {
        #expect(Self.value(.logLevel("PASARELA_X", fallback: .notice, purpose: ""), text) == value)
    }

    @Test func `what must be set and is not is a flaw`() {
        let flaw = Self.read(.path("PASARELA_ROOT", fallback: nil, purpose: ""), nil)
        guard case .failure(let error) = flaw else {
            Issue.record("no flaw")
            return
        }
        #expect(error.description == "PASARELA_ROOT: is not set; takes an absolute path")
    }

    @Test func `a flaw names the variable, the value and what it takes`() {
        let setting = Setting.integer("PASARELA_WORKERS", fallback: 1, in: 1...8, purpose: "")
        guard case .failure(let error) = Self.read(setting, "9") else {
            Issue.record("no flaw")
            return
        }
        #expect(
            error.description == "PASARELA_WORKERS=9: takes a whole number from 1 to 8")
    }

    @Test func `a variable that looks like ours and is none is refused, others are not looked at`()
    {
        let good = [
            "PASARELA_ROOT": "/", "PASARELA_WORKERS": "nonsense", "PATH": "/bin", "PASARELAX": "",
        ]
        #expect(throws: Never.self) { try Settings(good).refuseUnknown() }
        let flaw = #expect(throws: Settings.Flaw.self) {
            try Settings(good.merging(["PASARELA_Z": "", "PASARELA_ROOTS": "/"]) { $1 })
                .refuseUnknown()
        }
        #expect(flaw?.description == "PASARELA_ROOTS: is no setting of Pasarela; see --help")
    }

    @Test func `the sockets stand in the runtime folder unless they are named`() throws {
        let settings = Settings([
            "PASARELA_RUNTIME_DIR": "/run/x", "PASARELA_MSERV2_SOCKET": "/elsewhere/s",
        ])
        let shared = try SharedSettings(settings)
        #expect(try settings.value(shared.gatewaySocket) == "/run/x/gateway.sock")
        #expect(try settings.value(shared.mserv1Socket) == "/run/x/mserv1.sock")
        #expect(try settings.value(shared.mserv2Socket) == "/elsewhere/s")
    }

    @Test func `the table of the help has a row for each setting`() {
        var table = SettingTable()
        table.add(Setting.flag("PASARELA_A", fallback: false, purpose: "first"))
        table.add(Setting.path("PASARELA_LONG", fallback: nil, purpose: "second"))
        #expect(table.text.hasPrefix("ENVIRONMENT:\n  PASARELA_CONFIGURATION_FILE\n"))
        #expect(
            table.text.hasSuffix(
                """
                  PASARELA_A
                      first
                      yes or no; default no
                  PASARELA_LONG
                      second
                      an absolute path; must be set
                """))
    }
}
