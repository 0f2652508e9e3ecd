namespace KestrelEventLoopTransport.TortureTests;

/// <summary>
/// One connection: what both ends are to do, known to both, as they live in one process; and what became of it.
/// </summary>
internal sealed class Conversation
{
    private volatile bool _clientEnding;
    private volatile bool _serverEnding;
    private volatile bool _memoryFailed;
    private volatile bool _disposed;
    private volatile bool _awaitsClosed;
    private long _clientReceived;

    public Conversation(int id, Random random, int maxTransfer)
    {
        Id = id;
        Kind = (ConversationKind)random.Next(Enum.GetValues<ConversationKind>().Length);
        Upload = Size(random, maxTransfer);
        Download = Kind == ConversationKind.Echo ? Upload : Size(random, maxTransfer);
        ClientEnd = random.Next(10) switch
        { 0 => ClientEnd.Close, 1 => ClientEnd.Reset, < 5 => ClientEnd.LateHalfClose, _ => ClientEnd.HalfClose };
        ServerEnd = random.Next(4) == 0
            ? (ServerEnd)random.Next(Enum.GetValues<ServerEnd>().Length)
            : (ServerEnd)random.Next(2);
        ClientEndAt = random.Next(Upload + 1);
        ServerEndAt = random.Next(Upload + 1);
        ServerSeed = random.Next();
    }

    public int Id { get; }

    public ConversationKind Kind { get; }

    /// <summary>Bytes from the client, behind the header.</summary>
    public int Upload { get; }

    /// <summary>Bytes from the server.</summary>
    public int Download { get; }

    public ClientEnd ClientEnd { get; }

    public ServerEnd ServerEnd { get; }

    public int ClientEndAt { get; }

    public int ServerEndAt { get; }

    public int ServerSeed { get; }

    /// <summary>Streams of <see cref="Pattern"/>.</summary>
    public int UploadStream => Id * 2;

    public int DownloadStream => Kind == ConversationKind.Echo ? Id * 2 : (Id * 2) + 1;

    public bool EndsInOrder
        => ClientEnd is ClientEnd.HalfClose or ClientEnd.LateHalfClose
            && ServerEnd is ServerEnd.AfterFin or ServerEnd.AfterLastByte;

    /// <summary>The client's port, once it is connected.</summary>
    public int Port { get; set; }

    /// <summary>The client is about to send FIN or RST.</summary>
    public bool ClientEnding
    {
        get => _clientEnding;
        set => _clientEnding = value;
    }

    /// <summary>The server's handler is about to end the connection.</summary>
    public bool ServerEnding
    {
        get => _serverEnding;
        set => _serverEnding = value;
    }

    /// <summary>The handler met an exception of the memory pool, and gave up.</summary>
    public bool MemoryFailed
    {
        get => _memoryFailed;
        set => _memoryFailed = value;
    }

    /// <summary>The server's connection is disposed: nothing of it may happen any more.</summary>
    public bool Disposed
    {
        get => _disposed;
        set => _disposed = value;
    }

    /// <summary>The server has registered a callback with ConnectionClosed, and it has not run yet.</summary>
    public bool AwaitsClosed
    {
        get => _awaitsClosed;
        set => _awaitsClosed = value;
    }

    public long ClientSent { get; set; }

    public long ClientReceived
    {
        get => Interlocked.Read(ref _clientReceived);
        set => Interlocked.Exchange(ref _clientReceived, value);
    }

    public long ServerSent { get; set; }

    public long ServerReceived { get; set; }

    public string ClientState { get; set; } = "not connected";

    public string ServerState { get; set; } = "not accepted";

    /// <summary>Whether a limit of the endpoint may end it at any time.</summary>
    public required bool MayTimeOut { get; init; }

    /// <summary>Whether a fault or a limit has ended it, or used the memory up.</summary>
    public bool IsBroken => MayTimeOut || _memoryFailed || (Port != 0 && FaultyLibc.HasBroken(Port));

    public override string ToString()
        => $"conversation {Id} {Kind} up {Upload} down {Download} client {ClientEnd} at {ClientEndAt} server "
            + $"{ServerEnd} at {ServerEndAt} "
            + $"from port {Port}{(IsBroken ? " broken" : "")}; client sent {ClientSent} received {ClientReceived} "
            + $"{ClientState}; "
            + $"server received {ServerReceived} sent {ServerSent} "
            + $"{ServerState}{(Disposed ? " disposed" : "")}{(AwaitsClosed ? " not announced as closed" : "")}";

    private static int Size(Random random, int most)
        => random.Next(5) switch
        {
            0 => 0,
            1 => random.Next(100),
            2 => random.Next(Math.Min(most, 10_000)),
            _ => random.Next(most),
        };
}
