namespace KestrelEventLoopTransport.TortureTests;

/// <summary>What an episode does: chosen by its seed, where a test does not say otherwise.</summary>
internal sealed class EpisodePlan
{
    public EpisodePlan(int seed)
    {
        var random = new Random(seed);
        Seed = seed;
        Mix = FaultMix.Create(random);
        Serving = (Serving)random.Next(Enum.GetValues<Serving>().Length);
        Scheduling = random.Next(4) switch
        {
            0 => ApplicationScheduling.Inline,
            1 => ApplicationScheduling.ThreadPool,
            _ => ApplicationScheduling.Adaptive,
        };
        Loops = random.Next(1, 4);
        Standbys = random.Next(3) == 0 ? Loops : Loops + random.Next(40);
        Connections = random.Next(3) == 0 ? random.Next(1, 20) : random.Next(50, 300);
        Length = TimeSpan.FromMilliseconds(random.Next(200, 900));
        MaxWriteBufferSize = random.Next(4) switch { 0 => 1, 1 => 4096, 2 => null, _ => 64 * 1024 };
        MaxReadBufferSize = random.Next(3) == 0 ? 1 : 1024 * 1024;
        MaxTransfer = random.Next(3) switch { 0 => 2000, 1 => 40_000, _ => 400_000 };
        Blocks = random.Next(3) != 0;
        StopsEarly = random.Next(4) == 0;
        LogFails = random.Next(5) == 0;
        PoolFails = Serving == Serving.Direct && random.Next(5) == 0;
        OnUnixSocket = !PoolFails && random.Next(6) == 0;
        AcceptMode = random.Next(3) == 0 ? AcceptMode.ListenerPerLoop : AcceptMode.SharedListener;
        Limit = Serving == Serving.Direct && random.Next(4) == 0
            ? TimeSpan.FromMilliseconds(random.Next(1, 100))
            : null;
        MaxConnections = random.Next(4) switch { 0 => Connections * 2, 1 => (Connections / 2) + 1, _ => null };
        AllowHalfClose = random.Next(2) == 0;
        Client = !PoolFails && random.Next(2) == 0 ? ClientKind.EventLoop : ClientKind.Socket;
        Datagrams = random.Next(3) == 0;
    }

    public int Seed { get; }

    public FaultMix Mix { get; init; }

    public Serving Serving { get; init; }

    public ApplicationScheduling Scheduling { get; init; }

    public int Loops { get; init; }

    public int Standbys { get; init; }

    /// <summary>Connections at a time.</summary>
    public int Connections { get; init; }

    /// <summary>How long new connections are begun.</summary>
    public TimeSpan Length { get; init; }

    public long? MaxWriteBufferSize { get; init; }

    public long? MaxReadBufferSize { get; init; }

    public int MaxTransfer { get; init; }

    /// <summary>Whether handlers sleep and compute.</summary>
    public bool Blocks { get; init; }

    /// <summary>Whether the server stops while connections are served.</summary>
    public bool StopsEarly { get; init; }

    /// <summary>Whether the logger throws now and then.</summary>
    public bool LogFails { get; init; }

    /// <summary>Whether the memory pool has no memory now and then.</summary>
    public bool PoolFails { get; init; }

    /// <summary>
    /// Whether the server listens on a Unix socket. Its clients have no ports, by which to find a conversation.
    /// </summary>
    public bool OnUnixSocket { get; init; }

    public AcceptMode AcceptMode { get; init; }

    /// <summary>Every time limit of the endpoint. Few conversations survive it.</summary>
    public TimeSpan? Limit { get; init; }

    /// <summary>
    /// Most connections that the server has open: with fewer than the clients', they wait for each other.
    /// </summary>
    public int? MaxConnections { get; init; }

    /// <summary>Whether the endpoint allows half-close. Handlers finish sending early in any case.</summary>
    public bool AllowHalfClose { get; init; }

    /// <summary>What the clients are. A client does not expect a memory pool that throws.</summary>
    public ClientKind Client { get; init; }

    /// <summary>Whether datagram endpoints run beside the server.</summary>
    public bool Datagrams { get; init; }

    public override string ToString()
        => $"seed {Seed}: {Serving}, {Client} clients, {Scheduling}, faults {Mix}, {Loops} loops, "
            + $"{Standbys} standbys, {Connections} connections, "
            + $"write buffer {MaxWriteBufferSize}, read buffer {MaxReadBufferSize}, up to {MaxTransfer} bytes"
            + (OnUnixSocket ? ", Unix socket" : $", {AcceptMode}")
            + (MaxConnections is { } most ? $", at most {most}" : "")
            + (AllowHalfClose ? ", half-close" : "")
            + (Datagrams ? ", datagrams" : "")
            + (Limit is { } limit ? $", limits of {limit.TotalMilliseconds} ms" : "")
            + (Blocks ? ", blocking" : "")
            + (StopsEarly ? ", stops early" : "")
            + (LogFails ? ", logger throws" : "")
            + (PoolFails ? ", pool throws" : "");
}
