using System.Net;
using System.Net.Security;
using System.Net.Sockets;
using Microsoft.Extensions.DependencyInjection;
using Orleans.Configuration;
using Orleans.Connections.Security;
using Orleans.Hosting;
using Orleans.Runtime;

namespace KestrelEventLoopTransport.Orleans.Tests;

/// <summary>Silos and clients on event loops.</summary>
public sealed class ClusterTests
{
    private static readonly byte[] _megabyte = Pattern.Create(1_000_000);

    [Theory]
    [ClassData<EveryScheduling>]
    public async Task A_client_and_silos_call_each_other_over_event_loops(ApplicationScheduling scheduling)
    {
        await using var cluster = await TestCluster.StartAsync(ClusterSettings.All(scheduling, silos: 2));
        var first = await cluster.ActivateAsync(1, cluster.Silos[0]);
        await cluster.ActivateAsync(2, cluster.Silos[1]);

        Assert.Equal([1, 2], await first.EchoAsync([1, 2]).DefaultTimeout());
        Assert.Equal([3, 4], await first.EchoOfAsync(2, [3, 4]).DefaultTimeout());
        Assert.Equal(_megabyte, await first.EchoOfAsync(2, _megabyte).DefaultTimeout());

        Assert.True(cluster.Silos.Sum(silo => silo.EndpointOf(silo.GatewayPort).ConnectionCount) > 0);
        Assert.True(cluster.Silos.Sum(silo => silo.EndpointOf(silo.Port).ConnectionCount) > 0);
        Assert.NotEqual(0, cluster.ClientServices.GetRequiredService<EventLoopTransportMonitor>().ConnectionCount);
    }

    [Theory]
    [ClassData<EveryScheduling>]
    public async Task Many_calls_at_once_are_answered(ApplicationScheduling scheduling)
    {
        await using var cluster = await TestCluster.StartAsync(ClusterSettings.All(scheduling, silos: 3));
        for (var i = 0; i < 3; i++)
        {
            await cluster.ActivateAsync(i, cluster.Silos[i]);
        }

        await Task.WhenAll(Enumerable.Range(0, 300).Select(async i =>
        {
            var bytes = Pattern.Create(i % 10 == 0 ? 100_000 : 10 * i);
            var grain = cluster.Grains.GetGrain<IEchoGrain>(i % 3);
            Assert.Equal(bytes, await grain.EchoOfAsync((i + 1) % 3, bytes));
        })).DefaultTimeout();
    }

    [Theory]
    [ClassData<EveryScheduling>]
    public async Task A_canceled_call_is_canceled_in_its_grain(ApplicationScheduling scheduling)
    {
        await using var cluster = await TestCluster.StartAsync(ClusterSettings.All(scheduling, silos: 1));
        var grain = await cluster.ActivateAsync(1, cluster.Silos[0]);
        using var cancellation = new CancellationTokenSource();
        var call = grain.WaitAsync(cancellation.Token);

        // The grain takes calls in order: it has begun to wait.
        Assert.Equal(0, await grain.GetCanceledAsync().DefaultTimeout());
        await cancellation.CancelAsync();

        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => call.DefaultTimeout());
        await Poll.UntilAsync(async () => await grain.GetCanceledAsync() == 1);
    }

    [Theory]
    [ClassData<EveryScheduling>]
    public async Task TLS_is_on_both_connections(ApplicationScheduling scheduling)
    {
        var settings = ClusterSettings.All(scheduling, silos: 2) with
        {
            Silo = static silo => silo.UseTls(TestCertificate.Instance, Trust),
            ClientBuilder = static client => client.UseTls(Trust),
        };
        await using var cluster = await TestCluster.StartAsync(settings);
        var first = await cluster.ActivateAsync(1, cluster.Silos[0]);
        await cluster.ActivateAsync(2, cluster.Silos[1]);

        Assert.Equal(_megabyte, await first.EchoOfAsync(2, _megabyte).DefaultTimeout());

        // A handshake record of TLS, answered by another: no Orleans speaks so.
        foreach (var port in new[] { cluster.Silos[0].Port, cluster.Silos[0].GatewayPort })
        {
            await AssertSpeaksTlsAsync(port);
        }
    }

    // A cluster that moves over from Orleans' own sockets, silo by silo.
    [Theory]
    [InlineData(null)]
    [InlineData(ApplicationScheduling.Adaptive)]
    public async Task Silos_on_both_transports_form_one_cluster(ApplicationScheduling? client)
    {
        var settings = new ClusterSettings { Silos = [null, ApplicationScheduling.Adaptive], Client = client };
        await using var cluster = await TestCluster.StartAsync(settings);
        await cluster.ActivateAsync(1, cluster.Silos[0]);
        await cluster.ActivateAsync(2, cluster.Silos[1]);
        var third = await cluster.AddSiloAsync(ApplicationScheduling.ThreadPool);
        await cluster.ActivateAsync(3, third);

        foreach (var (from, to) in new[] { (1, 2), (2, 1), (2, 3), (3, 1), (1, 3) })
        {
            Assert.Equal(
                _megabyte, await cluster.Grains.GetGrain<IEchoGrain>(from).EchoOfAsync(to, _megabyte).DefaultTimeout());
        }
    }

    // Orleans may refuse what reaches a silo that stops, whatever it is on.
    [Theory]
    [InlineData(null)]
    [InlineData(ApplicationScheduling.Adaptive)]
    [InlineData(ApplicationScheduling.ThreadPool)]
    [InlineData(ApplicationScheduling.Inline)]
    public async Task Calls_go_on_when_a_silo_has_stopped(ApplicationScheduling? scheduling)
    {
        await using var cluster = await TestCluster.StartAsync(ClusterSettings.All(scheduling, silos: 2));
        var first = await cluster.ActivateAsync(1, cluster.Silos[0]);
        await cluster.ActivateAsync(2, cluster.Silos[1]);
        var calls = 0;
        var lost = 0;
        var hasStopped = false;
        var calling = Task.Run(async () =>
        {
            for (var after = 0; after < 10;)
            {
                try
                {
                    Assert.Equal([7], await first.EchoOfAsync(2, [7]));
                    calls++;
                    after += Volatile.Read(ref hasStopped) ? 1 : 0;
                }
                catch (OrleansMessageRejectionException)
                {
                    after = 0;
                }
                catch (TimeoutException) when (lost++ == 0)
                {
                    // Seen on Orleans' own sockets: a silo that stops may drop the one that it has just been sent.
                    after = 0;
                }
            }
        });

        await Poll.UntilAsync(() => Volatile.Read(ref calls) > 10 || calling.IsCompleted);
        await cluster.Silos[1].StopAsync();
        Volatile.Write(ref hasStopped, true);

        await calling.WaitAsync(TaskTimeoutExtensions.Default * 2);
        Assert.Equal(cluster.Silos[0].Port, await cluster.Grains.GetGrain<IEchoGrain>(2).GetPortAsync());
    }

    [Fact]
    public async Task Calls_recover_when_a_silo_is_killed()
    {
        var settings = ClusterSettings.All(ApplicationScheduling.Adaptive, silos: 3) with
        {
            Silo = static silo => silo.Configure<ClusterMembershipOptions>(static options =>
            {
                options.NumMissedProbesLimit = 2;
                options.NumVotesForDeathDeclaration = 1;

                // A silo that lives answers within this, however slow the machine. One that is voted dead ends its
                // process.
                options.ProbeTimeout = TimeSpan.FromSeconds(3);
            }),
        };
        await using var cluster = await TestCluster.StartAsync(settings);
        var first = await cluster.ActivateAsync(1, cluster.Silos[0]);
        await cluster.ActivateAsync(2, cluster.Silos[2]);
        Assert.Equal([7], await first.EchoOfAsync(2, [7]).DefaultTimeout());

        await cluster.Silos[2].KillAsync();

        // A call fails as long as the others believe that the silo lives.
        await Poll.UntilAsync(async () =>
        {
            try
            {
                return (await first.EchoOfAsync(2, [8])).SequenceEqual(new byte[] { 8 });
            }
            catch (Exception exception) when (exception is SiloUnavailableException or TimeoutException)
            {
                return false;
            }
        });
        Assert.NotEqual(cluster.Silos[2].Port, await cluster.Grains.GetGrain<IEchoGrain>(2).GetPortAsync());
    }

    private static void Trust(TlsOptions options)
    {
        options.RemoteCertificateMode = RemoteCertificateMode.AllowCertificate;
        options.AllowAnyRemoteCertificate();
        options.OnAuthenticateAsClient = static (_, authentication) => authentication.TargetHost = "localhost";
    }

    private static async Task AssertSpeaksTlsAsync(int port)
    {
        using var socket = new TcpClient();
        await socket.ConnectAsync(IPAddress.Loopback, port).DefaultTimeout();
        await using var tls = new SslStream(
            socket.GetStream(), leaveInnerStreamOpen: false, TestCertificate.IsTheOne!);
        await tls.AuthenticateAsClientAsync("localhost").DefaultTimeout();
        Assert.True(tls.IsEncrypted);
    }
}
