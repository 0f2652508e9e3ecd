using System.Diagnostics;
using KestrelEventLoopTransport.Loops;

namespace KestrelEventLoopTransport.Tests.Adaptive;

/// <summary>What a half-awake supervisor learns of the beginning of a callback.</summary>
[Trait("Contract", "adaptive")]
[FailsOnStock("Stock has no supervisor.")]
public sealed class CallbackBeginningTests : IDispatchTarget
{
    private readonly Supervisor _supervisor = new();
    private readonly ThreadActivity _activity;

    public CallbackBeginningTests() => _activity = new ThreadActivity(_supervisor);

    [Fact]
    public void It_is_known_once_it_is_noted_until_the_callback_returns()
    {
        _activity.Enter(this);
        var running = _activity.State;
        Assert.False(_activity.TryGetBeginning(running, out _));

        var before = Stopwatch.GetTimestamp();
        _activity.NoteBeginning();
        var after = Stopwatch.GetTimestamp();

        Assert.True(_activity.TryGetBeginning(running, out var began));
        Assert.InRange(began, before, after);
        _activity.Exit(null);
        Assert.False(_activity.TryGetBeginning(running, out _));
        Assert.False(_activity.TryGetBeginning(_activity.State, out _));
    }

    [Fact]
    public void It_is_that_of_this_callback_and_does_not_change()
    {
        _activity.Enter(this);
        _activity.NoteBeginning();
        _activity.Exit(null);
        _activity.NoteBeginning();
        _activity.Enter(this);
        Assert.False(_activity.TryGetBeginning(_activity.State, out _));
        _activity.NoteBeginning();
        Assert.True(_activity.TryGetBeginning(_activity.State, out var began));

        _activity.NoteBeginning();

        Assert.True(_activity.TryGetBeginning(_activity.State, out var later));
        Assert.Equal(began, later);
    }

    void IDispatchTarget.OnOverdue()
    {
        // Nothing is overdue.
    }

    string IDispatchTarget.Describe() => "a test";

    private sealed class Supervisor : ILoopSupervisor
    {
        public bool CanHandOffAll => true;

        public void EnsureAwake()
        {
            // The test notes the beginning.
        }

        public void OnProgress()
        {
            // Nothing to look after.
        }

        public void OnStuckReturned(long since)
        {
            // No loop is lost.
        }
    }
}
