using System.IO.Pipelines;
using System.Net;
using System.Net.Sockets;
using System.Text.RegularExpressions;
using Microsoft.AspNetCore.Connections.Features;

namespace KestrelEventLoopTransport.Tests.Connections;

public sealed partial class ConnectionTests
{
    private static readonly Type[] _presentFromTheStart =
    [
        typeof(IConnectionIdFeature),
        typeof(IConnectionTransportFeature),
        typeof(IConnectionItemsFeature),
        typeof(IMemoryPoolFeature),
        typeof(IConnectionLifetimeFeature),
        typeof(IConnectionSocketFeature),
    ];

    [Theory]
    [ClassData<EveryScheduling>]
    [Trait("Contract", "14")]
    public async Task Features_are_present_from_the_start(ApplicationScheduling scheduling)
    {
        await using var transport = new TestTransport(scheduling);
        await using var pair = await transport.ConnectAsync();
        var features = pair.Connection.Features;

        Assert.All(_presentFromTheStart, type => Assert.NotNull(features[type]));
        Assert.Superset(_presentFromTheStart.ToHashSet(), features.Select(static f => f.Key).ToHashSet());
        Assert.All(features, static feature => Assert.IsType(feature.Key, feature.Value, exactMatch: false));
    }

    [Theory]
    [ClassData<EveryScheduling>]
    [Trait("Contract", "14")]
    public async Task The_feature_collection_is_writable(ApplicationScheduling scheduling)
    {
        await using var transport = new TestTransport(scheduling);
        await using var pair = await transport.ConnectAsync();
        var features = pair.Connection.Features;
        Assert.False(features.IsReadOnly);
        var revision = features.Revision;

        var added = new Marker();
        features.Set(added);
        Assert.Same(added, features.Get<Marker>());
        Assert.Contains(features, f => f.Key == typeof(Marker) && ReferenceEquals(f.Value, added));
        Assert.NotEqual(revision, features.Revision);
        features.Set<Marker>(null);
        Assert.Null(features.Get<Marker>());
        Assert.DoesNotContain(features, static f => f.Key == typeof(Marker));

        var items = new ItemsFeature();
        features.Set<IConnectionItemsFeature>(items);
        Assert.Same(items, features[typeof(IConnectionItemsFeature)]);
        Assert.Same(items, Assert.Single(features, static f => f.Key == typeof(IConnectionItemsFeature)).Value);
    }

    [Theory]
    [ClassData<EveryScheduling>]
    [Trait("Contract", "14")]
    public async Task Kestrels_own_features_are_added(ApplicationScheduling scheduling)
    {
        var found = new TaskCompletionSource<bool[]>(TaskCreationOptions.RunContinuationsAsynchronously);
        await using var server = await TestServer.StartAsync(scheduling, connection =>
        {
            var features = connection.Features;
            found.SetResult(
            [
                features.Get<IConnectionHeartbeatFeature>() is not null,
                features.Get<IConnectionCompleteFeature>() is not null,
                features.Get<IConnectionLifetimeNotificationFeature>() is not null,
                features.Get<IConnectionSocketFeature>() is not null,
            ]);
            return Task.CompletedTask;
        });
        using var client = await server.ConnectAsync();

        Assert.All(await found.Task.DefaultTimeout(), Assert.True);
    }

    [Theory]
    [ClassData<EveryScheduling>]
    [Trait("Contract", "14")]
    public async Task Items_belong_to_the_connection(ApplicationScheduling scheduling)
    {
        await using var transport = new TestTransport(scheduling);
        await using var first = await transport.ConnectAsync();
        await using var second = await transport.ConnectAsync();

        first.Connection.Items["key"] = "value";

        Assert.Equal("value", first.Connection.Features.Get<IConnectionItemsFeature>()!.Items["key"]);
        Assert.False(second.Connection.Items.ContainsKey("key"));
    }

    [Theory]
    [ClassData<EveryScheduling>]
    [Trait("Contract", "15")]
    public async Task ConnectionId_is_13_base_32_characters_unique_stable_and_settable(ApplicationScheduling scheduling)
    {
        await using var transport = new TestTransport(scheduling);
        var ids = new HashSet<string>();
        for (var i = 0; i < 20; i++)
        {
            await using var pair = await transport.ConnectAsync();
            var id = pair.Connection.ConnectionId;
            Assert.Matches(Base32(), id);
            Assert.True(ids.Add(id));
            Assert.Equal(id, pair.Connection.ConnectionId);

            pair.Connection.Features.Get<IConnectionIdFeature>()!.ConnectionId = "mine";
            Assert.Equal("mine", pair.Connection.ConnectionId);
        }
    }

    [Theory]
    [ClassData<EveryScheduling>]
    [Trait("Contract", "15")]
    public async Task Endpoints_are_those_of_the_connection_and_settable(ApplicationScheduling scheduling)
    {
        await using var transport = new TestTransport(scheduling);
        var listener = await transport.BindAsync(new IPEndPoint(IPAddress.Any, 0));
        using var client = await RawClient.ConnectAsync(
            new IPEndPoint(IPAddress.Loopback, ((IPEndPoint)listener.EndPoint).Port));
        await using var connection = await listener.AcceptAsync().DefaultTimeout();

        Assert.Equal(client.Socket.RemoteEndPoint, connection!.LocalEndPoint);
        Assert.Equal(client.Socket.LocalEndPoint, connection.RemoteEndPoint);

        var other = new IPEndPoint(IPAddress.Parse("192.0.2.7"), 1234);
        connection.RemoteEndPoint = other;
        Assert.Same(other, connection.RemoteEndPoint);
    }

    [Theory]
    [ClassData<EveryScheduling>]
    [Trait("Contract", "14")]
    [FailsOnStock("Stock has the endpoints on the context alone.")]
    public async Task The_endpoint_feature_is_present_and_is_the_contexts(ApplicationScheduling scheduling)
    {
        await using var transport = new TestTransport(scheduling);
        await using var pair = await transport.ConnectAsync();
        var feature = pair.Connection.Features.Get<IConnectionEndPointFeature>();

        Assert.NotNull(feature);
        Assert.Equal(pair.Client.Socket.RemoteEndPoint, feature.LocalEndPoint);
        Assert.Equal(pair.Client.Socket.LocalEndPoint, feature.RemoteEndPoint);
        feature.RemoteEndPoint = null;
        Assert.Null(pair.Connection.RemoteEndPoint);
    }

    [Theory]
    [ClassData<EveryScheduling>]
    [Trait("Contract", "14")]
    public async Task The_socket_is_usable_and_does_not_disturb_the_connection(ApplicationScheduling scheduling)
    {
        await using var transport = new TestTransport(scheduling);
        for (var i = 0; i < 10; i++)
        {
            await using var pair = await transport.ConnectAsync();
            var feature = pair.Connection.Features.Get<IConnectionSocketFeature>()!;
            var echo = Echo.RunAsync(pair.Connection);
            await Echo.RoundTripAsync(pair.Client);

            Assert.Same(feature.Socket, feature.Socket);
            Assert.Equal(pair.Client.Socket.RemoteEndPoint, feature.Socket.LocalEndPoint);
            Assert.Equal(pair.Client.Socket.LocalEndPoint, feature.Socket.RemoteEndPoint);
            Assert.Equal(SocketType.Stream, feature.Socket.SocketType);
            feature.Socket.SetSocketOption(SocketOptionLevel.Socket, SocketOptionName.KeepAlive, true);
            Assert.Equal(1, feature.Socket.GetSocketOption(SocketOptionLevel.Socket, SocketOptionName.KeepAlive));

            await Echo.RoundTripAsync(pair.Client, 50_000);
            pair.Client.ShutdownSend();
            await echo.DefaultTimeout();
            await pair.Connection.DisposeAsync().DefaultTimeout();
            await pair.Client.ExpectFinAsync();
        }
    }

    [Theory]
    [ClassData<EveryScheduling>]
    [Trait("Contract", "16")]
    public async Task Transport_is_settable_and_dispose_completes_the_original_pipes(ApplicationScheduling scheduling)
    {
        await using var transport = new TestTransport(scheduling);
        await using var pair = await transport.ConnectAsync();
        var replacement = new Pipe();
        pair.Connection.Transport = new DuplexPipe(replacement.Reader, replacement.Writer);
        Assert.Same(replacement.Reader, pair.Connection.Features.Get<IConnectionTransportFeature>()!.Transport.Input);

        await pair.Output.WriteAsync(Pattern.Create(10)).DefaultTimeout();
        await pair.Connection.DisposeAsync().DefaultTimeout();

        Assert.Equal(10, (await pair.Client.ReceiveToEndAsync()).Length);
        Assert.Throws<InvalidOperationException>(() => pair.Input.TryRead(out _));
        Assert.Throws<InvalidOperationException>(() => pair.Output.GetMemory());
        Assert.False((await replacement.Writer.WriteAsync(Pattern.Create(1)).DefaultTimeout()).IsCompleted);
    }

    [Theory]
    [ClassData<EveryScheduling>]
    [Trait("Contract", "20")]
    public async Task ConnectionClosed_is_settable(ApplicationScheduling scheduling)
    {
        await using var transport = new TestTransport(scheduling);
        await using var pair = await transport.ConnectAsync();
        using var source = new CancellationTokenSource();

        pair.Connection.ConnectionClosed = source.Token;

        Assert.Equal(source.Token, pair.Connection.Features.Get<IConnectionLifetimeFeature>()!.ConnectionClosed);
        pair.Connection.Abort();
        await pair.Connection.DisposeAsync().DefaultTimeout();
        Assert.False(source.IsCancellationRequested);
    }

    [GeneratedRegex("^[0-9A-V]{13}$")]
    private static partial Regex Base32();

    private sealed class Marker;

    private sealed class ItemsFeature : IConnectionItemsFeature
    {
        public IDictionary<object, object?> Items { get; set; } = new Dictionary<object, object?>();
    }

    private sealed class DuplexPipe(PipeReader input, PipeWriter output) : IDuplexPipe
    {
        public PipeReader Input => input;

        public PipeWriter Output => output;
    }
}
