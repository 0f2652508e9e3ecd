using System.Collections.Concurrent;
using System.Diagnostics.Metrics;
using System.Net;
using System.Net.Sockets;
using System.Runtime.CompilerServices;
using KestrelEventLoopTransport.Listening;
using Microsoft.AspNetCore.Connections;
using Microsoft.Extensions.DependencyInjection;

namespace KestrelEventLoopTransport.Tests.Metrics;

[FailsOnStock("Metrics of ours.")]
public sealed class TcpInfoMetricsTests : IDisposable
{
    private const string Prefix = "event_loop.listener.";

    private static readonly string[] _names = ["rtt", "min_rtt", "retransmission_ratio", "delivery_rate"];

    private readonly MeterListener _listener = new();
    private readonly ConcurrentQueue<(string Name, double Value, string Tags)> _found = new();

    [Fact]
    public async Task One_of_so_many_connections_is_sampled_when_it_closes()
    {
        await using var transport = Create(sampling: 3);
        Listen(transport);
        var listener = await transport.BindAsync();
        for (var i = 0; i < 7; i++)
        {
            await ServeOneAsync(transport, listener, reset: i % 2 == 1);
        }

        // The first, the fourth and the seventh.
        await Poll.UntilAsync(() => _names.All(name => Count(name) == 3));
        Assert.All(_found, static found => Assert.StartsWith(
            "server.address=127.0.0.1 server.port=", found.Tags, StringComparison.Ordinal));
        Assert.All(_found.Where(static found => found.Name.EndsWith("rtt", StringComparison.Ordinal)),
            static found => Assert.InRange(found.Value, double.Epsilon, 60));
        Assert.All(_found.Where(static found => found.Name == Prefix + "retransmission_ratio"),
            static found => Assert.InRange(found.Value, 0, 1));
    }

    [Fact]
    public async Task An_open_connection_is_sampled_after_each_interval()
    {
        await using var transport = Create(sampling: 1, TimeSpan.FromMilliseconds(100));
        Listen(transport);
        var listener = await transport.BindAsync();
        await using var pair = await transport.ConnectAsync(listener);
        await Echo.RoundTripAsync(pair.Client, pair.Connection);

        await Poll.UntilAsync(() => _names.All(name => Count(name) >= 3));
    }

    [Fact]
    public async Task Open_connections_of_other_endpoints_are_not_sampled()
    {
        await using var transport = Create(sampling: null);
        var factory = transport.Services.GetRequiredService<IMeterFactory>();
        var metrics = new TcpInfoMetrics(factory.Create("KestrelEventLoopTransport"), Prefix);
        Listen(transport);
        var first = await transport.BindAsync();
        var second = await transport.BindAsync();
        await using var pair = await transport.ConnectAsync(first);
        await using var other = await transport.ConnectAsync(second);

        foreach (var listener in new[] { (EventLoopListener)first, (EventLoopListener)second })
        {
            using var sampler = new TcpInfoSampler(period: 1, metrics, listener.EndPoint);
            sampler.SampleOpen(listener.Group, listener.Limiter);
        }

        // They are recorded in turn: what the second one has found comes last.
        var tag = $"server.port={((IPEndPoint)second.EndPoint).Port} ";
        await Poll.UntilAsync(() => _found.Any(found => found.Name == Prefix + "min_rtt"
            && found.Tags.Contains(tag, StringComparison.Ordinal)));
        Assert.Equal(2, Count("rtt"));
    }

    [Fact]
    public async Task The_looks_at_open_connections_end_with_the_listener()
    {
        await using var transport = Create(sampling: 1, TimeSpan.FromHours(1));

        var owner = await BindAndStopAsync(transport);

        // A timer would keep it.
        await Poll.UntilAsync(() =>
        {
            GC.Collect();
            return !owner.IsAlive;
        });
    }

    [Fact]
    public async Task Nothing_is_sampled_by_default()
    {
        await using var transport = Create(sampling: null);
        Listen(transport);
        var listener = await transport.BindAsync();
        await ServeOneAsync(transport, listener);
        Assert.Empty(_found);
    }

    [Fact]
    public async Task A_unix_socket_is_not_sampled_and_takes_no_turn()
    {
        using var path = new SocketPath();
        await using var transport = Create(sampling: 2);
        Listen(transport);
        var unix = await transport.BindAsync(new UnixDomainSocketEndPoint(path.Path));
        await ServeOneAsync(transport, unix);
        await ServeOneAsync(transport, await transport.BindAsync());

        await Poll.UntilAsync(() => _names.All(name => Count(name) == 1));
    }

    [Fact]
    public void A_histogram_has_buckets_of_its_own()
    {
        var metrics = new List<Histogram<double>>();
        _listener.InstrumentPublished = (instrument, _) =>
        {
            if (instrument is Histogram<double> histogram && instrument.Meter.Name == "test.sampling")
            {
                metrics.Add(histogram);
            }
        };
        _listener.Start();
        using var meter = new Meter("test.sampling");
        _ = new TcpInfoMetrics(meter, Prefix);

        Assert.Equal(_names.Length, metrics.Count);
        Assert.All(metrics, static each => Assert.InRange(each.Advice!.HistogramBucketBoundaries!.Count, 5, 20));
        Assert.All(metrics, static each
            => Assert.Equal(each.Advice!.HistogramBucketBoundaries!.Order(), each.Advice.HistogramBucketBoundaries!));
    }

    public void Dispose() => _listener.Dispose();

    private static TestTransport Create(int? sampling, TimeSpan? interval = null)
        => new(ApplicationScheduling.Adaptive, options =>
        {
            options.EndpointDefaults.TcpInfoSampling = sampling;
            options.EndpointDefaults.TcpInfoSamplingInterval = interval;
        });

    [MethodImpl(MethodImplOptions.NoInlining)]
    private static async Task<WeakReference> BindAndStopAsync(TestTransport transport)
    {
        var listener = (EventLoopListener)await transport.Factory
            .BindAsync(new IPEndPoint(IPAddress.Loopback, 0)).DefaultTimeout();
        await listener.UnbindAsync().DefaultTimeout();
        await listener.DisposeAsync().DefaultTimeout();
        return new WeakReference(listener.Limiter);
    }

    private static async Task ServeOneAsync(TestTransport transport, IConnectionListener listener, bool reset = false)
    {
        var pair = await transport.ConnectAsync(listener);
        await Echo.RoundTripAsync(pair.Client, pair.Connection);
        if (reset)
        {
            pair.Connection.Abort(new ConnectionAbortedException());
        }

        await pair.DisposeAsync();
    }

    private void Listen(TestTransport transport)
    {
        var factory = transport.Services.GetRequiredService<IMeterFactory>();
        _listener.InstrumentPublished = (instrument, listener) =>
        {
            if (instrument is Histogram<double> && instrument.Meter.Scope == factory
                && instrument.Name.StartsWith(Prefix, StringComparison.Ordinal))
            {
                listener.EnableMeasurementEvents(instrument);
            }
        };
        _listener.SetMeasurementEventCallback<double>((instrument, value, tags, _) => _found.Enqueue((
            instrument.Name, value, string.Join(' ', tags.ToArray().Select(tag => $"{tag.Key}={tag.Value}")))));
        _listener.Start();
    }

    private int Count(string name) => _found.Count(found => found.Name == Prefix + name);
}
