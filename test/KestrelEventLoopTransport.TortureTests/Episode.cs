using System.Collections.Concurrent;
using System.Diagnostics;
using System.Net;
using System.Net.Sockets;
using KestrelEventLoopTransport.Datagrams;

namespace KestrelEventLoopTransport.TortureTests;

/// <summary>
/// One server, started, tortured for a moment and stopped. Nothing may be lost, left over or stuck; what went wrong is
/// in <see cref="Failures"/>.
/// </summary>
internal sealed class Episode(EpisodePlan plan)
{
    // Threads of the runtime's pool, and its caches, keep what they worked on last. A leak would keep them all.
    private const int StaleReferences = 16;

    private readonly ConcurrentDictionary<int, Conversation> _conversations = new();
    private readonly ConcurrentQueue<string> _failures = new();
    private readonly ConcurrentQueue<WeakReference> _opened = new();
    private readonly ConcurrentDictionary<object, bool> _watched = new();
    private DatagramTraffic? _datagrams;
    private int _started;
    private long _progress;
    private long _received;
    private volatile bool _stopping;

    public EpisodePlan Plan => plan;

    public IReadOnlyCollection<string> Failures => _failures;

    /// <summary>The server has begun to stop: connections may be aborted.</summary>
    public bool Stopping => _stopping;

    public int Connections => Volatile.Read(ref _started);

    public long Bytes => Interlocked.Read(ref _received);

    /// <summary>How often a loop was given to another thread.</summary>
    public long HandOffs { get; private set; }

    /// <summary>Grows while anything happens at all.</summary>
    public long Progress => Interlocked.Read(ref _progress);

    public TortureServer? Server { get; private set; }

    /// <summary>How far the server has come, for the description of a hang.</summary>
    public string State { get; set; } = "serving";

    public IEnumerable<Conversation> Conversations => _conversations.Values;

    public void Fail(string failure) => _failures.Enqueue(failure);

    public void OnProgress() => Interlocked.Increment(ref _progress);

    public void OnReceived(int bytes)
    {
        OnProgress();
        Interlocked.Add(ref _received, bytes);
    }

    public Conversation FindConversation(int id) => _conversations[id];

    /// <summary>The last one from this port; null for a probe, which has none.</summary>
    public Conversation? FindConversation(IPEndPoint client)
        => _conversations.Values.OrderByDescending(static c => c.Id).FirstOrDefault(c => c.Port == client.Port);

    /// <summary>Remembers a connection of either end, which must be garbage in the end.</summary>
    public void OnOpened(object connection) => _opened.Enqueue(new WeakReference(connection));

    /// <summary>Something to be described when the episode hangs.</summary>
    public void Watch(object peer) => _watched[peer] = true;

    public void Unwatch(object peer) => _watched.TryRemove(peer, out _);

    public int NextConnection() => Interlocked.Increment(ref _started);

    public async Task RunAsync()
    {
        using var path = plan.OnUnixSocket ? new SocketPath() : null;
        EndPoint endPoint = path is null ? new IPEndPoint(IPAddress.Loopback, 0) : new UnixDomainSocketEndPoint(
            path.Path);
        var server = Server = await TortureServer.StartAsync(this, endPoint);
        var probe = server.Transport is EventLoopTransportFactory { Monitor.Group: { } group } ? new WorkProbe(
            this, group) : null;
        var probing = probe?.RunAsync() ?? Task.CompletedTask;
        try
        {
            await TortureAsync(server, probe);
        }
        catch (Exception exception)
        {
            // Before what dispose will find missing: that would hide it.
            Fail(exception.ToString());
        }
        finally
        {
            _stopping = true;
            await (_datagrams?.DisposeAsync() ?? ValueTask.CompletedTask);
            HandOffs = server.HandOffs;
            await server.DisposeAsync();
            FaultyLibc.Stop();
            await probing;
        }
    }

    /// <summary>What is left when all has ended. Called when the episode itself has left the stack.</summary>
    public async Task CheckLeftoversAsync(bool collect)
    {
        await UntilAsync(
            () => !_conversations.Values.Any(static c => c.AwaitsClosed),
            () => $"ConnectionClosed never fired: {_conversations.Values.First(static c => c.AwaitsClosed)}");
        await UntilAsync(
            () => FaultyLibc.OpenDescriptors == 0, () => $"{FaultyLibc.OpenDescriptors} descriptors are open.");
        await UntilAsync(
            () => Server!.Pools.Outstanding == 0, () => $"{Server!.Pools.Outstanding} blocks are missing.");
        foreach (var pool in Server!.Pools.Pools)
        {
            pool.CheckFreeBlocks();
            foreach (var error in pool.Errors)
            {
                Fail(error);
            }
        }

        await UntilAsync(() => LoopThreads().Count == 0, () => $"Threads: {string.Join(", ", LoopThreads())}");
        if (FaultyLibc.Violations is { Length: > 0 } violations)
        {
            Fail(violations);
        }

        foreach (var entry in Server.Logs.Entries.Where(IsAlarming).Take(3))
        {
            Fail($"Logged: {entry}");
        }

        if (collect)
        {
            Server = null;
            _conversations.Clear();
            await UntilAsync(
                () =>
                {
                    GC.Collect();
                    return _opened.Count(static reference => reference.IsAlive) <= StaleReferences;
                },
                () => $"{_opened.Count(static reference => reference.IsAlive)} connections are held by "
                    + $"something, the first: "
                    + (FirstHeld() is { } held ? StateDump.Of(held) : "gone"));
        }
    }

    public string Describe()
        => string.Join(
            Environment.NewLine,
            [
                plan.ToString(),
                .. _failures.Take(10),
                "-- conversations that have not ended",
                .. _conversations.Values
                    .Where(static c => c.ClientState != "ended"
                        && !c.ClientState.StartsWith("failed", StringComparison.Ordinal))
                    .Take(50)
                    .Select(static c => c.ToString()),
                .. _watched.Keys.Take(50).Select(static peer => peer.ToString()!),
                $"-- connections that are served, the server is {State}",
                .. (Server?.Served ?? []).Take(3).Select(StateDump.Of),
                "-- the transport",
                Server is null ? "gone" : StateDump.Of(Server.Transport),
                "-- faults",
                FaultyLibc.Journal(last: 300),
            ]);

    private async Task TortureAsync(TortureServer server, WorkProbe? probe)
    {
        _datagrams = plan.Datagrams && server.Transport is IDatagramHost host
            ? await DatagramTraffic.StartAsync(this, host)
            : null;
        var start = Stopwatch.GetTimestamp();
        var workers = Task.WhenAll(Enumerable.Range(0, plan.Connections).Select(worker => Task.Run(async () =>
        {
            var random = new Random(unchecked((plan.Seed * 397) + worker));
            do
            {
                await UseConnectionAsync(server, random);
            }
            while (Stopwatch.GetElapsedTime(start) < plan.Length && _failures.IsEmpty);
        })));
        var datagrams = _datagrams?.RunAsync(workers) ?? Task.CompletedTask;
        if (plan.StopsEarly)
        {
            await Task.WhenAny(workers, Task.Delay(plan.Length));
        }
        else
        {
            await workers;
            await datagrams;
            await ProbeAsync(server);
            await (probe?.RunQuietlyAsync() ?? Task.CompletedTask);
        }

        _stopping = true;
        await server.StopAsync();
        await workers;
        await datagrams;
    }

    private async Task UseConnectionAsync(TortureServer server, Random random)
    {
        switch (plan.Serving)
        {
            case Serving.Http1 when plan.Client == ClientKind.Socket:
                await Http1Peer.RunAsync(this, server.EndPoint, NextConnection(), random);
                break;
            case Serving.Http1 or Serving.Http2:
                await HttpClientPeer.RunAsync(this, server.EndPoint, NextConnection(), random);
                break;
            default:
                var conversation = new Conversation(NextConnection(), random, plan.MaxTransfer)
                {
                    MayTimeOut = plan.Limit is not null,
                };
                _conversations[conversation.Id] = conversation;
                await ConversationClient.RunAsync(this, conversation, server.EndPoint, random);
                break;
        }
    }

    /// <summary>After all that, without faults, the listener still accepts.</summary>
    private async Task ProbeAsync(TortureServer server)
    {
        FaultyLibc.Stop();
        for (var i = 0; i < 3; i++)
        {
            using var socket = ClientSocket.Create(server.EndPoint, out _);
            await socket.ConnectAsync(server.EndPoint);
            socket.Shutdown(SocketShutdown.Send);
            while (await socket.ReceiveAsync(new byte[1000]) > 0)
            {
                OnProgress();
            }

            OnProgress();
        }
    }

    private async Task UntilAsync(Func<bool> condition, Func<string> state)
    {
        var start = Stopwatch.GetTimestamp();
        while (!condition())
        {
            if (Stopwatch.GetElapsedTime(start) > Watchdog.Patience)
            {
                Fail(state());
                return;
            }

            await Task.Delay(5);
        }
    }

    private static bool IsAlarming(LogEntry entry)
        => entry.Category.StartsWith("KestrelEventLoopTransport", StringComparison.Ordinal)
            && entry.Level >= Microsoft.Extensions.Logging.LogLevel.Warning
            && entry.EventId.Name is not ("AcceptPaused" or "AcceptShortage");

    private static List<string> LoopThreads()
        => [.. ProcessState.ThreadNames().Where(
            static name => name.StartsWith("event-loop", StringComparison.Ordinal)
                || name.StartsWith("loop-super", StringComparison.Ordinal))];

    private object? FirstHeld()
        => _opened.Select(static reference => reference.Target).FirstOrDefault(static held => held != null);
}
