using KestrelEventLoopTransport.Connections.Input;

namespace KestrelEventLoopTransport.Tests.States;

/// <summary>When the first read starts: what Kestrel does to it, and what other callers do.</summary>
[Trait("Contract", "adaptive")]
public sealed class DeferredFirstReadTests
{
    [Fact]
    public void One_read_is_the_first()
    {
        var read = default(DeferredFirstRead);

        Assert.True(read.IsFirst());
        Assert.False(read.IsFirst());
    }

    [Fact]
    public void It_starts_when_it_is_awaited_after_two_polls()
    {
        var read = default(DeferredFirstRead);
        read.Defer();

        // Kestrel's own, and that of await.
        Assert.False(read.OnPolled());
        Assert.False(read.OnPolled());
        Assert.True(read.OnAwaited());

        Assert.False(read.OnAwaited());
        Assert.False(read.OnPolled());
    }

    [Fact]
    public void It_starts_once_for_a_caller_that_only_polls()
    {
        var read = default(DeferredFirstRead);
        read.Defer();

        Assert.Equal(1, Enumerable.Range(0, 100).Count(_ => read.OnPolled()));
        Assert.False(read.OnAwaited());
    }

    [Fact]
    public void A_read_that_is_not_deferred_is_not_started()
    {
        var read = default(DeferredFirstRead);

        Assert.False(read.OnPolled());
        Assert.False(read.OnAwaited());
    }
}
