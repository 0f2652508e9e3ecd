using System.Diagnostics;
using System.Globalization;
using System.Net;
using System.Net.Sockets;
using KestrelEventLoopTransport.Benchmarks.Loads;

namespace KestrelEventLoopTransport.Benchmarks.Server;

// The server as a client: /client/http1?seconds=1 sends requests to the upstream server for a second, and answers with
// how many there were. The driver reads the CPU time of the process, as it does of a server.
// connections: Those of the event loops; null: the system's sockets.
internal sealed class ClientRuns(ServerPorts upstream, EventLoopConnectionFactory? connections)
{
    public const string Path = "/client";

    private const int Workers = 64;
    private const int Connectors = 16;

    // They live on: the connections are open when the next run begins.
    private readonly Dictionary<ClientRun, Func<Task>> _operations = [];

    public async Task HandleAsync(HttpContext context)
    {
        var run = Enum.Parse<ClientRun>(context.Request.Path.Value![1..], ignoreCase: true);
        var seconds = double.Parse(context.Request.Query["seconds"]!, CultureInfo.InvariantCulture);
        if (!_operations.TryGetValue(run, out var operation))
        {
            _operations.Add(run, operation = Create(run));
        }

        var clock = Stopwatch.StartNew();
        var workers = run == ClientRun.Connect ? Connectors : Workers;

        // They begin on the pool: a connect on this machine may complete at once, and a worker that never awaits would
        // keep the thread that starts the others. Where they go on, the transport decides.
        var results = await Task.WhenAll(
            Enumerable.Range(0, workers).Select(_ => Task.Run(() => WorkAsync(operation, clock, seconds))));
        var result = new LoadResult(
            results.Sum(result => result.Operations), 0, clock.Elapsed.TotalSeconds,
            results.Sum(result => result.Errors), Latencies.Unknown);
        await context.Response.WriteAsync(result.ToJsonLine());
    }

    private Func<Task> Create(ClientRun run)
    {
        if (run == ClientRun.Connect)
        {
            // A local port can be used again for the same peer after a second. There are some 28,000, and the kernel
            // takes the even ones first: with one peer, more than 14,000 connections per second search for a port.
            IPEndPoint[] peers =
            [
                .. new[] { upstream.Echo, upstream.Mqtt, upstream.H2c, upstream.Http }.Select(
                    static port => new IPEndPoint(IPAddress.Loopback, port)),
            ];
            var next = 0u;
            return connections is null
                ? () => ConnectSocketAsync(peers[Interlocked.Increment(ref next) % peers.Length])
                : () => ConnectAsync(connections, peers[Interlocked.Increment(ref next) % peers.Length]);
        }

        var origin = run switch
        {
            ClientRun.Http2 => $"http://127.0.0.1:{upstream.H2c}",
            ClientRun.Tls => $"https://127.0.0.1:{upstream.Https}",
            _ => $"http://127.0.0.1:{upstream.Http}",
        };
        var client = new HttpClient(connections is null
            ? CreateHandler()
            : new EventLoopHttpHandler(connections, CreateHandler))
        {
            DefaultRequestVersion = run == ClientRun.Http2 ? HttpVersion.Version20 : HttpVersion.Version11,
            DefaultVersionPolicy = HttpVersionPolicy.RequestVersionExact,
        };
        var address = new Uri(origin + "/plaintext");
        return () => GetAsync(client, address);
    }

    private static SocketsHttpHandler CreateHandler()
    {
        var handler = new SocketsHttpHandler { UseProxy = false };
        handler.SslOptions.RemoteCertificateValidationCallback = ServerCertificate.IsOurs;
        return handler;
    }

    private static async Task<(long Operations, long Errors)> WorkAsync(
        Func<Task> operation, Stopwatch clock, double seconds)
    {
        var operations = 0L;
        try
        {
            do
            {
                await operation();
                operations++;
            }
            while (clock.Elapsed.TotalSeconds < seconds);
            return (operations, 0);
        }
        catch (Exception e) when (e is HttpRequestException or SocketException or IOException)
        {
            await Console.Error.WriteLineAsync(e.Message);
            return (operations, 1);
        }
    }

    private static async Task GetAsync(HttpClient client, Uri address)
    {
        var body = await client.GetByteArrayAsync(address);
        if (body.Length != "Hello, World!".Length)
        {
            throw new IOException($"{address} answered {body.Length} bytes.");
        }
    }

    private static async Task ConnectAsync(EventLoopConnectionFactory connections, IPEndPoint endPoint)
    {
        await using var connection = await connections.ConnectAsync(endPoint);
    }

    private static async Task ConnectSocketAsync(IPEndPoint endPoint)
    {
        using var socket = new Socket(endPoint.AddressFamily, SocketType.Stream, ProtocolType.Tcp);
        await socket.ConnectAsync(endPoint);
    }
}
