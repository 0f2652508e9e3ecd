using System.Net.Sockets;
using System.Text;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.DependencyInjection.Extensions;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Hosting.Systemd;

namespace KestrelEventLoopTransport.EcosystemTests.Hosting;

/// <summary>The lifetime of a systemd service, which tells systemd its state (sd_notify(3)).</summary>
[Collection(ProcessWide.Name)]
public sealed class SystemdTests
{
    public static MatrixTheoryData<HostKind, TransportUnderTest> Hosts { get; } =
        new([HostKind.Slim, HostKind.Empty, HostKind.Generic], EveryTransport.Values);

    [Theory]
    [MemberData(nameof(Hosts))]
    public async Task Systemd_hears_when_it_is_ready_and_when_it_stops(HostKind kind, TransportUnderTest transport)
    {
        var directory = Directory.CreateTempSubdirectory("kestrel-");
        var path = Path.Combine(directory.FullName, "notify");
        using var systemd = new Socket(AddressFamily.Unix, SocketType.Dgram, ProtocolType.Unspecified);
        systemd.Bind(new UnixDomainSocketEndPoint(path));
        Environment.SetEnvironmentVariable("NOTIFY_SOCKET", path);
        try
        {
            // UseSystemd() adds the same, but only if systemd is the process's parent.
            using var host = WebHosts.Create(kind, transport, static services => services
                .AddSingleton<ISystemdNotifier, SystemdNotifier>()
                .Replace(ServiceDescriptor.Singleton<IHostLifetime, SystemdLifetime>()));
            var running = host.RunAsync();

            Assert.Equal("READY=1", await ReceiveAsync(systemd));
            await WebHosts.AssertAnswersAsync(host);

            // SIGTERM is what systemd would send: it would end the tests as well.
            host.Services.GetRequiredService<IHostApplicationLifetime>().StopApplication();
            Assert.Equal("STOPPING=1", await ReceiveAsync(systemd));
            await running.DefaultTimeout();
        }
        finally
        {
            Environment.SetEnvironmentVariable("NOTIFY_SOCKET", null);
            directory.Delete(recursive: true);
        }
    }

    private static async Task<string> ReceiveAsync(Socket socket)
    {
        var buffer = new byte[100];
        return Encoding.ASCII.GetString(buffer, 0, await socket.ReceiveAsync(buffer).DefaultTimeout());
    }
}
