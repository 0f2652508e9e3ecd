namespace KestrelEventLoopTransport.Tests.States;

/// <summary>The steps that a thread has still to do. One number: there are hundreds of thousands of them.</summary>
internal readonly record struct EndSteps
{
    private const int Bits = 8;
    private const int AllBits = 128;

    // The next one has the lowest bits.
    private readonly UInt128 _steps;

    internal EndSteps(params ReadOnlySpan<ConnectionEndStep> steps)
    {
        for (var i = steps.Length - 1; i >= 0; i--)
        {
            if (steps[i] != ConnectionEndStep.Nothing)
            {
                this = new EndSteps((UInt128)(byte)steps[i]) + this;
            }
        }
    }

    private EndSteps(UInt128 steps) => _steps = steps;

    internal bool IsEmpty => _steps == 0;

    internal ConnectionEndStep Next => (ConnectionEndStep)(byte)_steps;

    internal EndSteps Rest => new(_steps >> Bits);

    private int Length => (AllBits - (int)UInt128.LeadingZeroCount(_steps) + Bits - 1) / Bits;

    public static EndSteps operator +(EndSteps first, EndSteps then)
        => first.IsEmpty ? then
            : (first.Length + then.Length) * Bits > AllBits ? throw new InvalidOperationException("Too many steps.")
            : new(first._steps | (then._steps << (first.Length * Bits)));

    public override string ToString() => IsEmpty ? "" : $"{Next} {Rest}".TrimEnd();
}
