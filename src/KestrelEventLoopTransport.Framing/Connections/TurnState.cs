using System.Diagnostics;
using static KestrelEventLoopTransport.Framing.Connections.TurnFlags;

namespace KestrelEventLoopTransport.Framing.Connections;

/// <summary>
/// Which party runs a connection's callbacks, and which callbacks are due. One atomic word, because the reading loop,
/// the work item, timers and the application's threads all change it. <see cref="TurnTransitions"/> says how.
/// </summary>
/// <remarks>
/// <para>The legal states:</para>
/// <list type="bullet">
/// <item>no flag: no callback runs and none is due;</item>
/// <item>
/// <see cref="Queued"/>, with any of <see cref="WakeDue"/> and <see cref="TickDue"/>: no callback runs, and the work
/// item will run what is due then;
/// </item>
/// <item>
/// <see cref="Taken"/>, with any of <see cref="Queued"/>, <see cref="WakeDue"/> and <see cref="TickDue"/>: callbacks
/// run, and the party that runs them takes care of what is due;
/// </item>
/// <item>
/// <see cref="Taken"/> and <see cref="LoopWaits"/>, with any of <see cref="WakeDue"/> and <see cref="TickDue"/>: the
/// work item runs callbacks, and passes the turn to the reading loop.
/// </item>
/// </list>
/// <para>At the end the reading loop keeps the turn, so that no tick and no wake runs any more.</para>
/// </remarks>
internal struct TurnState
{
    private volatile TurnFlags _flags;

    /// <summary>Whether any of some flags is set.</summary>
    internal readonly bool Has(TurnFlags flags) => (_flags & flags) != 0;

    /// <summary>For the reading loop: takes the turn if it is free.</summary>
    internal bool TryEnter()
    {
        TurnFlags before;
        TurnFlags after;
        do
        {
            before = _flags;
            if (!TurnTransitions.TryEnter(before, out after))
            {
                return false;
            }
        }
        while (!TryMove(before, after));
        return true;
    }

    /// <summary>For the reading loop: takes the turn, or waits for it.</summary>
    internal TurnAction EnterOrWait()
    {
        TurnFlags before;
        TurnMove move;
        do
        {
            before = _flags;
            move = TurnTransitions.EnterOrWait(before);
        }
        while (!TryMove(before, move.After));
        return move.Action;
    }

    /// <summary>For the thread that has the turn: begins what is due.</summary>
    /// <returns>Which callbacks the caller has to run.</returns>
    internal TurnFlags TakeDue()
    {
        TurnFlags before;
        do
        {
            before = _flags;
        }
        while (!TryMove(before, TurnTransitions.TakeDue(before)));
        return before & Due;
    }

    /// <summary>For the thread that has the turn: passes it on.</summary>
    internal TurnAction Leave()
    {
        TurnFlags before;
        TurnMove move;
        do
        {
            before = _flags;
            move = TurnTransitions.Leave(before);
        }
        while (!TryMove(before, move.After));
        return move.Action;
    }

    /// <summary>Makes a tick or a wake due. Does nothing if it is due already.</summary>
    internal TurnAction Ask(TurnFlags due)
    {
        TurnFlags before;
        TurnMove move;
        do
        {
            before = _flags;
            if ((before & due) != 0)
            {
                return TurnAction.None;
            }

            move = TurnTransitions.Ask(before, due);
        }
        while (!TryMove(before, move.After));
        return move.Action;
    }

    /// <summary>Takes back what was asked for, if it has not begun.</summary>
    internal void Withdraw(TurnFlags due)
    {
        TurnFlags before;
        do
        {
            before = _flags;
        }
        while (!TryMove(before, TurnTransitions.Withdraw(before, due)));
    }

    /// <summary>For the work item, when it runs: takes the turn if it is free and something is due.</summary>
    /// <returns>Which callbacks the caller has to run before it leaves. None: it does not have the turn.</returns>
    internal TurnFlags Execute()
    {
        TurnFlags before;
        TurnMove move;
        do
        {
            before = _flags;
            move = TurnTransitions.Execute(before);
        }
        while (!TryMove(before, move.After));
        return move.Action == TurnAction.Run ? before & Due : None;
    }

    private bool TryMove(TurnFlags before, TurnFlags after)
    {
        Debug.Assert(TurnTransitions.IsLegal(after), "A transition leads to a legal state.");
        return Interlocked.CompareExchange(ref _flags, after, before) == before;
    }
}
