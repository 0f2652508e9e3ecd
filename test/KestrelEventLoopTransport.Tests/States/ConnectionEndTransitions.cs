using KestrelEventLoopTransport.Connections;
using KestrelEventLoopTransport.Descriptors;

namespace KestrelEventLoopTransport.Tests.States;

/// <summary>The transitions under test. Tests put wrong ones in their place and see the explorer find them.</summary>
internal sealed record ConnectionEndTransitions(
    Func<ConnectionEndState, bool, ConnectionEndState> Abort,
    Func<ConnectionEndState, bool, (ConnectionEndState Next, ConnectionEndAction Action)> Expire,
    Func<ConnectionEndState, bool, (ConnectionEndState Next, ConnectionEndAction Action)> BeginClose,
    Func<ConnectionEndState, (ConnectionEndState Next, ConnectionEndAction Action)> EndClose,
    Func<
        ConnectionEndState,
        ConnectionEndFlags,
        ConnectionEndAction,
        (ConnectionEndState Next, ConnectionEndAction Action)> Begin,
    Func<ConnectionEndState, ConnectionEndFlags, (ConnectionEndState Next, ConnectionEndAction Action)> End,
    Func<ConnectionEndState, bool, bool, (ConnectionEndState Next, ConnectionEndAction Action)> FinishPeer,
    Func<ConnectionEndState, (ConnectionEndState Next, ConnectionEndAction Action)> EndSending,
    Func<ConnectionEndState, ConnectionEndState> TakeToken,
    Func<int, (int Next, bool IsAdded)> AddReference,
    Func<int, (int Next, bool IsLast)> Release,
    int References)
{
    internal static readonly ConnectionEndTransitions Real = new(
        ConnectionEnd.Abort,
        ConnectionEnd.Expire,
        ConnectionEnd.BeginClose,
        ConnectionEnd.EndClose,
        ConnectionEnd.Begin,
        ConnectionEnd.End,
        ConnectionEnd.FinishPeer,
        ConnectionEnd.EndSending,
        ConnectionEnd.TakeToken,
        DescriptorHandle.AddReference,
        DescriptorHandle.Release,
        References: 3);
}
