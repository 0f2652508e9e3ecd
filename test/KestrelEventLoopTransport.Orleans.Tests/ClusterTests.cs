using Microsoft.Extensions.DependencyInjection;

namespace KestrelEventLoopTransport.Orleans.Tests;

/// <summary>Silos and clients on event loops.</summary>
public sealed class ClusterTests
{
    [Theory]
    [ClassData<EveryScheduling>]
    public async Task A_client_and_silos_call_each_other_over_event_loops(ApplicationScheduling scheduling)
    {
        await using var cluster = await TestCluster.StartAsync(ClusterSettings.All(scheduling, silos: 2));
        var first = await cluster.ActivateAsync(1, cluster.Silos[0]);
        await cluster.ActivateAsync(2, cluster.Silos[1]);
        byte[] bytes = [1, 2, 3];

        Assert.Equal(bytes, await first.EchoAsync(bytes).DefaultTimeout());
        Assert.Equal(bytes, await first.EchoOfAsync(2, bytes).DefaultTimeout());

        Assert.True(cluster.Silos.Sum(silo => silo.EndpointOf(silo.GatewayPort).ConnectionCount) > 0);
        Assert.True(cluster.Silos.Sum(silo => silo.EndpointOf(silo.Port).ConnectionCount) > 0);
        Assert.NotEqual(0, cluster.ClientServices.GetRequiredService<EventLoopTransportMonitor>().ConnectionCount);
    }
}
