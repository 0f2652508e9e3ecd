namespace KestrelEventLoopTransport.Framing.Clients;

/// <summary>A transition of a client: its next state, and what the caller has to do.</summary>
internal readonly record struct ClientMove(FrameClientState After, ClientAction Action = ClientAction.None);
