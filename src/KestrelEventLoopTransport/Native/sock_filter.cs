namespace KestrelEventLoopTransport.Native;

/// <summary><c>struct sock_filter</c> (<c>linux/filter.h</c>): one instruction of classic BPF.</summary>
internal readonly struct sock_filter(ushort code, byte jt, byte jf, uint k)
{
    public readonly ushort code = code;

    /// <summary>Instructions to skip if the condition is true.</summary>
    public readonly byte jt = jt;

    /// <summary>Instructions to skip if the condition is false.</summary>
    public readonly byte jf = jf;

    /// <summary>The operand.</summary>
    public readonly uint k = k;
}
