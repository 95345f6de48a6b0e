import Service
import Testing

@testable import gateway

@Suite struct RestartSettingTests {
    @Test func `each setting that counts from a restart on is one`() {
        let help = GatewayConfiguration.table(Settings(["HOME": "/home/x"])).text
        for name in GatewayCommand.restartSettings {
            #expect(help.contains("  \(name)\n"), "\(name)")
        }
    }
}
