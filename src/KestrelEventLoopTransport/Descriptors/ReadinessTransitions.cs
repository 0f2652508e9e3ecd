using static KestrelEventLoopTransport.Descriptors.ReadinessFlags;

namespace KestrelEventLoopTransport.Descriptors;

/// <summary>The transitions of <see cref="Readiness"/>, as pure functions from one state to the next.</summary>
internal static class ReadinessTransitions
{
    /// <summary>
    /// Answers an edge: there is one, no other thread is inside a call, and the descriptor is not stopped. The edge is
    /// taken before the system call. An edge during the call therefore sets <see cref="Ready"/> again and is not lost.
    /// </summary>
    internal static bool TryBeginCall(ReadinessFlags state, out ReadinessFlags next)
    {
        next = (state & ~Ready) | Busy;
        return (state & (Ready | Busy | Stopped)) == Ready;
    }

    /// <summary>Ends a call. If the descriptor was stopped during the call, the caller releases it.</summary>
    internal static ReadinessFlags EndCall(ReadinessFlags state)
        => (state & Stopped) == 0 ? state & ~Busy : (state & ~Busy) | Released;

    /// <summary>Stops the descriptor, and releases it unless a thread is inside a call.</summary>
    internal static ReadinessFlags Stop(ReadinessFlags state)
        => (state & (Busy | Stopped)) == 0 ? state | Stopped | Released : state | Stopped;

    /// <summary>Whether a state is one of those that the remarks of <see cref="Readiness"/> list.</summary>
    internal static bool IsLegal(ReadinessFlags state)
        => (state & (Busy | Stopped | Released)) is None or Busy or (Busy | Stopped) or (Stopped | Released);
}
