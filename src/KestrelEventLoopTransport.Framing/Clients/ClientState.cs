using static KestrelEventLoopTransport.Framing.FrameClientState;

namespace KestrelEventLoopTransport.Framing.Clients;

/// <summary>
/// What a client is doing. One atomic word, because the application's threads start and stop the client while its own
/// task connects. <see cref="ClientTransitions"/> says how it changes.
/// </summary>
/// <remarks>
/// <para>The legal states are those of <see cref="FrameClientState"/>:</para>
/// <list type="bullet">
/// <item><see cref="NotStarted"/>: there is no task. Start begins it, and Stop leads to <see cref="Stopped"/>.</item>
/// <item>
/// <see cref="Connecting"/>, <see cref="Connected"/>, <see cref="Waiting"/>: the task alone moves between these. Stop
/// leads to <see cref="Stopping"/>.
/// </item>
/// <item><see cref="Stopping"/>: whatever the task does, it stays so until the task ends.</item>
/// <item><see cref="Stopped"/>: there is no task, and there will be none.</item>
/// </list>
/// </remarks>
internal struct ClientState
{
    private volatile FrameClientState _state;

    internal readonly FrameClientState Value => _state;

    internal ClientAction Start() => Move(ClientTransitions.Start);

    internal ClientAction Stop() => Move(ClientTransitions.Stop);

    internal void Connect() => Move(ClientTransitions.Connect);

    internal ClientAction Open() => Move(ClientTransitions.Open);

    internal void Lose() => Move(ClientTransitions.Lose);

    internal ClientAction End() => Move(ClientTransitions.End);

    private ClientAction Move(Func<FrameClientState, ClientMove> transition)
    {
        while (true)
        {
            var before = _state;
            var move = transition(before);
            if (Interlocked.CompareExchange(ref _state, move.After, before) == before)
            {
                return move.Action;
            }
        }
    }
}
