using System.Runtime.CompilerServices;
using Microsoft.Extensions.Logging;

namespace KestrelEventLoopTransport.Tests.Ending;

/// <summary>
/// Handlers that never return: once their client has gone, nothing of the connection may stay for them.
/// </summary>
[Collection(ProcessWide.Name)]
[Trait("Contract", "23")]
public sealed class LostHandlerTests
{
    private const int Clients = 20;

    public static MatrixTheoryData<ApplicationScheduling, bool> SchedulingsAndEndings
        => new(Enum.GetValues<ApplicationScheduling>(), [true, false]);

    [Theory]
    [MemberData(nameof(SchedulingsAndEndings))]
    public async Task The_descriptor_closes_although_the_handler_does_not_return(
        ApplicationScheduling scheduling, bool reset)
    {
        using var entered = new SemaphoreSlim(0);
        var release = Signal.New();
        await using var server = await TestServer.StartHttpAsync(scheduling, async _ =>
        {
            entered.Release();
            await release.Task;
        });
        var start = ProcessState.Capture();

        await GetAndLeaveAsync(server, entered, reset);

        await Poll.UntilAsync(
            () => ProcessState.Capture().Sockets <= start.Sockets,
            () => $"{start.Sockets} sockets at the start, {ProcessState.Capture().Sockets} now.");
        release.SetResult();
    }

    // Ours only: stock does not count.
    [Theory]
    [MemberData(nameof(SchedulingsAndEndings))]
    [FailsOnStock("Stock counts no connections.")]
    public async Task The_connection_stops_counting_although_the_handler_does_not_return(
        ApplicationScheduling scheduling, bool reset)
    {
        using var entered = new SemaphoreSlim(0);
        var release = Signal.New();
        await using var server = await TestServer.StartAsync(new TestSettings
        {
            Scheduling = scheduling,
            Transport = static options => options.EndpointDefaults.MaxConnections = Clients,
            App = async http =>
            {
                if (http.Request.Path == "/")
                {
                    entered.Release();
                    await release.Task;
                }
            },
        });

        await GetAndLeaveAsync(server, entered, reset);

        await Poll.UntilAsync(
            () => server.Monitor.ConnectionCount == 0, () => $"{server.Monitor.ConnectionCount} still count.");
        Assert.Equal(0, server.Monitor.Endpoints[0].ConnectionCount);
        using var next = await server.ConnectAsync();
        await next.SendAsync("GET /next HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n");
        Assert.NotEmpty(await next.ReceiveToEndAsync());
        release.SetResult();
    }

    [Theory]
    [MemberData(nameof(SchedulingsAndEndings))]
    public async Task What_the_handler_holds_is_collected_and_Kestrel_says_that_it_never_completed(
        ApplicationScheduling scheduling, bool reset)
    {
        using var entered = new SemaphoreSlim(0);
        var payloads = new List<WeakReference>();
        await using var server = await TestServer.StartAsync(new TestSettings
        {
            Scheduling = scheduling,

            // What such a handler has rented is lost with it, on any transport.
            Pools = null,
            App = async http =>
            {
                var payload = Remember(payloads);
                entered.Release();

                // Nobody else knows this task: the handler is garbage as soon as its connection is.
                await new TaskCompletionSource().Task;
                GC.KeepAlive(payload);
                GC.KeepAlive(http);
            },
        });

        await GetAndLeaveAsync(server, entered, reset);

        await Poll.UntilAsync(
            () => Collected(payloads) == Clients,
            () => $"{Clients - Collected(payloads)} of {Clients} payloads are alive.");

        // The last ones may hang on a thread's statics or a pooled object for as long as nobody comes after them.
        // What a finalizer has kept goes with the next collection, and nothing else here asks for one.
        await Poll.UntilAsync(
            () => Collected(payloads) == Clients && NeverCompleted(server.Logs) >= Clients / 2,
            () => $"It said so of {NeverCompleted(server.Logs)} of {Clients}.");
    }

    [Theory]
    [ClassData<EveryScheduling>]
    public async Task What_came_before_the_FIN_is_readable_when_the_descriptor_has_closed(
        ApplicationScheduling scheduling)
    {
        const int Length = 100_000;
        await using var transport = new TestTransport(scheduling);
        await (await transport.ConnectAsync()).DisposeAsync();
        var start = ProcessState.Capture();
        await using var pair = await transport.ConnectAsync();
        var closed = Signal.New();
        pair.Connection.ConnectionClosed.Register(() => closed.TrySetResult());
        await pair.Client.SendAsync(Pattern.Create(Length));
        pair.Client.Dispose();
        await closed.Task.DefaultTimeout();

        // As Kestrel does when ConnectionClosed fires.
        pair.Connection.Abort(null!);
        await Poll.UntilAsync(
            () => ProcessState.Capture().Sockets <= start.Sockets,
            () => $"{start.Sockets} sockets at the start, {ProcessState.Capture().Sockets} now.");

        var received = 0;
        while (true)
        {
            var result = await pair.Input.ReadAsync().DefaultTimeout();
            foreach (var segment in result.Buffer)
            {
                Pattern.AssertMatches(segment.Span, 0, received);
                received += segment.Length;
            }

            pair.Input.AdvanceTo(result.Buffer.End);
            if (result.IsCompleted)
            {
                break;
            }
        }

        Assert.Equal(Length, received);
    }

    private static async Task GetAndLeaveAsync(TestServer server, SemaphoreSlim entered, bool reset)
    {
        for (var i = 0; i < Clients; i++)
        {
            using var client = await server.ConnectAsync();
            await client.SendAsync("GET / HTTP/1.1\r\nHost: h\r\n\r\n");
            await entered.WaitAsync().DefaultTimeout();
            if (reset)
            {
                client.Reset();
            }
        }
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    private static byte[] Remember(List<WeakReference> payloads)
    {
        var payload = new byte[1024 * 1024];
        lock (payloads)
        {
            payloads.Add(new WeakReference(payload));
        }

        return payload;
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    private static int Collected(List<WeakReference> payloads)
    {
        GC.Collect();
        GC.WaitForPendingFinalizers();
        lock (payloads)
        {
            return payloads.Count(static payload => !payload.IsAlive);
        }
    }

    // Each is said again at every heartbeat.
    private static int NeverCompleted(CapturedLogs logs)
        => logs.Entries
            .Where(static e => e.EventId.Name == "ApplicationNeverCompleted" && e.Level == LogLevel.Critical)
            .Select(static e => e.Message)
            .Distinct()
            .Count();
}
