using KestrelEventLoopTransport.Framing.Clients;
using KestrelEventLoopTransport.Tests.States;
using static KestrelEventLoopTransport.Framing.FrameClientState;

namespace KestrelEventLoopTransport.Framing.Tests.States;

/// <summary>The word behind a client, and every order of those that change it.</summary>
public sealed class ClientStateTests
{
    private static readonly Dictionary<string, ClientMoves> _bugs = new()
    {
        ["A second start begins a second task"] = new()
        {
            Start = static state => state is Stopping or Stopped
                ? ClientTransitions.Start(state)
                : new(Connecting, ClientAction.Run),
        },
        ["A client that was stopped starts"] = new()
        {
            Start = static state => state is Stopped
                ? new(Connecting, ClientAction.Run)
                : ClientTransitions.Start(state),
        },
        ["Stopping before the start has no effect"] = new()
        {
            Stop = static state => state is NotStarted ? new(state) : ClientTransitions.Stop(state),
        },
        ["Stopping before the start tells nobody"] = new()
        {
            Stop = static state => ClientTransitions.Stop(state) is { Action: ClientAction.End } move
                ? move with { Action = ClientAction.None }
                : ClientTransitions.Stop(state),
        },
        ["Stopping does not close"] = new()
        {
            Stop = static state => ClientTransitions.Stop(state) is { Action: ClientAction.Close } move
                ? move with { Action = ClientAction.None }
                : ClientTransitions.Stop(state),
        },
        ["Stopping closes twice"] = new()
        {
            Stop = static state => state is Stopping
                ? new(Stopping, ClientAction.Close)
                : ClientTransitions.Stop(state),
        },
        ["A client that waits is not stopped"] = new()
        {
            Stop = static state => state is Waiting ? new(state) : ClientTransitions.Stop(state),
        },
        ["An attempt forgets that the client is stopped"] = new() { Connect = static _ => new(Connecting) },
        ["A connection forgets that the client is stopped"] = new()
        {
            Open = static _ => new(Connected, ClientAction.Publish),
        },
        ["A connection is not published"] = new()
        {
            Open = static state => ClientTransitions.Open(state) with { Action = ClientAction.None },
        },
        ["A loss forgets that the client is stopped"] = new() { Lose = static _ => new(Waiting) },
        ["A lost connection counts as one"] = new() { Lose = static state => new(state) },
        ["The end is told to nobody"] = new() { End = static _ => new(Stopped) },
        ["The client stays as it is when its task has ended"] = new()
        {
            End = static state => new(state, ClientAction.End),
        },
    };

    public static TheoryData<string> Bugs => [.. _bugs.Keys];

    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    [InlineData(2)]
    public void A_client_that_is_stopped_ends_in_any_order(int stops) => new ClientModel(new()).Explore(stops);

    [Theory]
    [MemberData(nameof(Bugs))]
    public void The_explorer_finds_this_bug(string bug)
        => Assert.True(IllegalStateException.IsThrownBy(() => new ClientModel(_bugs[bug]).Explore()));

    [Fact]
    public void Every_state_is_reached()
        => Assert.Equal(
            Enum.GetValues<FrameClientState>(),
            new ClientModel(new()).Explore().Select(static world => world.State).Distinct().Order());
}
