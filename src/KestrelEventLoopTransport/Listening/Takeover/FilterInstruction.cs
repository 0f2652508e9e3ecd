using System.Runtime.InteropServices;

namespace KestrelEventLoopTransport.Listening.Takeover;

/// <summary>One instruction of classic BPF: <c>struct sock_filter</c> (<c>linux/filter.h</c>).</summary>
[StructLayout(LayoutKind.Sequential)]
internal readonly record struct FilterInstruction(ushort Code, byte IfTrue, byte IfFalse, uint Operand);
