namespace KestrelEventLoopTransport.TortureTests;

internal enum ConversationKind
{
    /// <summary>The server sends back what comes.</summary>
    Echo,

    /// <summary>The server answers when all has come.</summary>
    Reply,

    /// <summary>Both send at the same time.</summary>
    Duplex,

    /// <summary>The server sends all it has before it reads.</summary>
    ReplyFirst,
}
