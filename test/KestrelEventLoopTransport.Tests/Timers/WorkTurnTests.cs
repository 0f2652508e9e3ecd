namespace KestrelEventLoopTransport.Tests.Timers;

/// <summary>Work that posts work does not keep the loop from polling.</summary>
[Trait("Contract", "loops")]
[FailsOnStock("Loops of ours.")]
public sealed class WorkTurnTests
{
    [Fact]
    public async Task An_item_that_posts_itself_runs_once_per_poll()
    {
        using var loop = new CountedLoop();
        var turns = new List<int>();
        var done = Signal.New();
        WorkItem? item = null;
        item = new WorkItem(() =>
        {
            turns.Add(loop.Turns);
            if (turns.Count == 100)
            {
                done.TrySetResult();
            }
            else
            {
                loop.Loop.Post(item!);
            }
        });

        loop.Loop.Post(item);

        await done.Task.DefaultTimeout();
        Assert.Equal(Enumerable.Range(turns[0], 100), turns);
    }
}
