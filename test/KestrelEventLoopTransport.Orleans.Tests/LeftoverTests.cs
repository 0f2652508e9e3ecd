namespace KestrelEventLoopTransport.Orleans.Tests;

/// <summary>What a cluster leaves behind: nothing.</summary>
[Collection(ProcessWide.Name)]
public sealed class LeftoverTests
{
    [Theory]
    [ClassData<EveryScheduling>]
    public async Task A_cluster_that_has_ended_leaves_no_descriptor(ApplicationScheduling scheduling)
    {
        // What the runtime opens once and keeps.
        await RunAsync(scheduling, kills: false);
        var start = ProcessState.Capture();

        await RunAsync(scheduling, kills: false);
        await RunAsync(scheduling, kills: true);

        ProcessState? end = null;
        await Poll.UntilAsync(
            () => (end = ProcessState.Capture()).HasNoMoreDescriptorsThan(start), () => $"{start}, then {end}.");
    }

    private static async Task RunAsync(ApplicationScheduling scheduling, bool kills)
    {
        await using var cluster = await TestCluster.StartAsync(ClusterSettings.All(scheduling, silos: 2));
        var first = await cluster.ActivateAsync(1, cluster.Silos[0]);
        await cluster.ActivateAsync(2, cluster.Silos[1]);
        Assert.Equal([7], await first.EchoOfAsync(2, [7]).DefaultTimeout());
        if (kills)
        {
            await cluster.Silos[1].KillAsync();
        }
    }
}
