namespace KestrelEventLoopTransport.Loops;

/// <summary>
/// Whether a thread runs application code, and whether its loop was taken away. A number that each callback raises by
/// two, and a bit.
/// </summary>
/// <remarks>
/// <para>Legal states:</para>
/// <list type="table">
/// <item><term>even</term><description>The thread runs no application code.</description></item>
/// <item><term>odd</term><description>It runs a callback, and its loop waits for the end.</description></item>
/// <item><term>odd, taken</term>
/// <description>It is stuck: it still runs the callback, and has lost its loop.</description></item>
/// </list>
/// <para>
/// The thread moves even to odd, odd to even and taken to even. The supervisor moves odd to taken. Each callback has a
/// number of its own, so a supervisor that sees the same odd number twice knows that the callback has not returned.
/// After 2^30 callbacks the numbers begin again; the supervisor looks more often than that.
/// </para>
/// </remarks>
/// <param name="Value">The number with the bit.</param>
internal readonly record struct ActivityState(int Value)
{
    private const int TakenBit = int.MinValue;

    /// <summary>Whether a callback runs that its loop waits for.</summary>
    internal bool IsRunning => (Value & (TakenBit | 1)) == 1;

    /// <summary>Whether a callback runs that has lost its loop.</summary>
    internal bool IsStuck => (Value & TakenBit) != 0;

    /// <summary>For assertions: a thread that runs no callback has lost nothing.</summary>
    internal bool IsLegal => !IsStuck || (Value & 1) == 1;

    /// <summary>How many callbacks have begun since an earlier state.</summary>
    internal int CountBegunSince(ActivityState earlier) => (CountBegun() - earlier.CountBegun()) & (int.MaxValue >> 1);

    /// <summary>A callback begins. Only when none runs.</summary>
    internal ActivityState Begin() => Next();

    /// <summary>The callback has returned, stuck or not.</summary>
    internal ActivityState End() => Next();

    /// <summary>The callback loses its loop. Only while it runs.</summary>
    internal ActivityState Take() => new(Value | TakenBit);

    private int CountBegun() => (int)((((uint)Value & int.MaxValue) + 1) / 2);

    // The sum may reach the taken bit.
    private ActivityState Next() => new(((Value & ~TakenBit) + 1) & ~TakenBit);
}
