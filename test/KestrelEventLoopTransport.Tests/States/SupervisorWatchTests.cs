using KestrelEventLoopTransport.Loops;
using KestrelEventLoopTransport.Loops.Adaptive;

namespace KestrelEventLoopTransport.Tests.States;

/// <summary>How awake the supervisor is, and that it overlooks no callback: all orders of what happens.</summary>
[Trait("Contract", "adaptive")]
[FailsOnStock("Stock has no supervisor.")]
public sealed class SupervisorWatchTests
{
    public static TheoryData<int> LegalStates =>
    [
        (int)WatchState.Awake, (int)WatchState.Open, (int)WatchState.Looking, (int)WatchState.Drowsy,
        (int)(WatchState.Drowsy | WatchState.Armed),
    ];

    [Theory]
    [MemberData(nameof(LegalStates))]
    public void Every_event_leads_from_a_legal_state_to_a_legal_one(int state)
    {
        var from = (WatchState)state;
        Assert.True(WatchWord.IsLegal(from));
        Func<WatchState, WatchState?>[] transitions =
        [
            WatchWord.FallDrowsy, WatchWord.WakeUp, WatchWord.Arm, WatchWord.Disarm,
            WatchWord.Open, WatchWord.BeginLook, WatchWord.EndLook, WatchWord.Close,
        ];
        foreach (var transition in transitions)
        {
            if (transition(from) is { } next)
            {
                Assert.True(WatchWord.IsLegal(next), $"{transition.Method.Name}: {from} to {next}.");
                Assert.NotEqual(from, next);
            }
        }
    }

    [Fact]
    public void The_word_moves_as_the_states_do()
    {
        var word = default(WatchWord);
        Assert.False(word.TryArm());
        word.FallDrowsy();
        Assert.True(word.IsDrowsy);
        Assert.True(word.IsArmed);
        Assert.False(word.TryArm());
        Assert.False(word.TryBeginLook());

        word.Disarm();
        Assert.True(word.IsDrowsy);
        Assert.False(word.IsArmed);
        Assert.False(word.TryBeginLook());
        Assert.True(word.TryArm());
        Assert.True(word.IsArmed);

        word.WakeUp();
        Assert.False(word.IsDrowsy);
        Assert.False(word.IsArmed);

        word.Open();
        Assert.True(word.IsOpen);
        Assert.False(word.TryArm());
        Assert.True(word.TryBeginLook());
        Assert.False(word.TryBeginLook());
        Assert.False(word.IsOpen);
        word.EndLook();
        word.Close();
        Assert.False(word.IsOpen);
        Assert.False(word.TryBeginLook());
    }

    /// <param name="isMovable">Whether the clock can be moved, so that loops may look.</param>
    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void No_callback_is_overlooked_and_the_notes_have_one_owner(bool isMovable)
    {
        var states = new SupervisorActors(isMovable, SupervisorFault.None).Explore();

        Assert.Contains(
            states,
            static model => model is { Supervisor: SupervisorModel.SupervisorAt.RestingUntilArmed, IsArmed: false });
        Assert.Contains(states, static model => model is { IsDrowsy: true, Runs: true });
        Assert.Equal(isMovable, states.Any(static model => model.Watch == WatchState.Looking));
    }

    [Theory]
    [InlineData(SupervisorFault.NoBarrier, "All callbacks have returned")]
    [InlineData(SupervisorFault.NoFence, "All callbacks have returned")]
    [InlineData(SupervisorFault.LookBeforeDisarm, "All callbacks have returned")]
    [InlineData(SupervisorFault.NoDisarm, "All callbacks have returned")]
    [InlineData(SupervisorFault.ArmWithoutClock, "All callbacks have returned")]
    [InlineData(SupervisorFault.SleepAlthoughRunning, "All callbacks have returned")]
    [InlineData(SupervisorFault.NoLookAfterRest, "All callbacks have returned")]
    [InlineData(SupervisorFault.LoopLooksWhileDrowsy, "The notes have one owner")]
    [InlineData(SupervisorFault.CloseWhileLooking, "The notes have one owner")]
    [InlineData(SupervisorFault.StopWithoutClock, "The supervisor has ended")]
    public void The_explorer_finds(SupervisorFault fault, string rule)
    {
        var found = Assert.Throws<IllegalStateException>(
            () => new SupervisorActors(isMovable: true, fault).Explore());
        Assert.StartsWith(rule, found.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(0, 0, 0)]
    [InlineData(0, 1, 1)]
    [InlineData(1, 1, 0)]
    [InlineData(1, 2, 0)]
    [InlineData(2, 5, 2)]
    [InlineData(int.MaxValue - 2, 1, 2)]
    [InlineData(3, int.MinValue | 3, 0)]
    public void The_numbers_of_callbacks_tell_how_many_have_begun(int earlier, int later, int begun)
        => Assert.Equal(begun, new ActivityState(later).CountBegunSince(new ActivityState(earlier)));
}
