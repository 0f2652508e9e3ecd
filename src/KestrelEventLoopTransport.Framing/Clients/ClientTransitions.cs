using System.Diagnostics;
using static KestrelEventLoopTransport.Framing.FrameClientState;

namespace KestrelEventLoopTransport.Framing.Clients;

/// <summary>The transitions of a <see cref="ClientState"/>.</summary>
internal static class ClientTransitions
{
    /// <summary>The application starts the client. Starting a client that runs does nothing.</summary>
    internal static ClientMove Start(FrameClientState before) => before switch
    {
        NotStarted => new(Connecting, ClientAction.Run),
        Stopping or Stopped => new(before, ClientAction.Refuse),
        _ => new(before),
    };

    /// <summary>The application stops the client. The first who stops a running client closes it.</summary>
    internal static ClientMove Stop(FrameClientState before) => before switch
    {
        NotStarted => new(Stopped, ClientAction.End),
        Stopping or Stopped => new(before),
        _ => new(Stopping, ClientAction.Close),
    };

    /// <summary>The client tries to connect.</summary>
    internal static ClientMove Connect(FrameClientState before)
    {
        Debug.Assert(before is Connecting or Waiting or Stopping, "Only a client without a connection connects.");
        return before is Stopping ? new(before) : new(Connecting);
    }

    /// <summary>The connection is open. If the client is being stopped, it is about to be closed again.</summary>
    internal static ClientMove Open(FrameClientState before)
    {
        Debug.Assert(before is Connecting or Stopping, "A client has one connection.");
        return before is Stopping ? new(before) : new(Connected, ClientAction.Publish);
    }

    /// <summary>The attempt has failed, or the connection has ended.</summary>
    internal static ClientMove Lose(FrameClientState before)
    {
        Debug.Assert(before is not (NotStarted or Stopped), "Only a client that runs loses a connection.");
        return before is Stopping ? new(before) : new(Waiting);
    }

    /// <summary>The client has closed everything.</summary>
    internal static ClientMove End(FrameClientState before)
    {
        Debug.Assert(before is Stopping, "A client runs until it is stopped.");
        return new(Stopped, ClientAction.End);
    }
}
