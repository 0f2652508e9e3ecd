using System.Buffers;
using KestrelEventLoopTransport.Framing.Tests.Infrastructure;
using Microsoft.AspNetCore.Hosting;
using Microsoft.Extensions.DependencyInjection;

namespace KestrelEventLoopTransport.Framing.Tests.Handling;

/// <summary>What a handler has besides its connections: its endpoint, its own life and its services.</summary>
public sealed class FrameEndpointTests
{
    [Theory]
    [ClassData<EveryEndpointKind>]
    public async Task The_endpoint_knows_its_connections_and_sends_to_all_of_them(EndpointKind kind)
    {
        var handler = new EndpointHandler();
        await using var endpoint = await FrameServer.StartAsync(kind, handler);
        Assert.Equal(0, handler.Endpoint.ConnectionCount);
        using var first = await endpoint.ConnectAsync();
        using var second = await endpoint.ConnectAsync();
        await Poll.UntilAsync(() => handler.Endpoint.ConnectionCount == 2);
        var connections = handler.Endpoint.Connections.ToList();
        Assert.Equal(2, connections.Distinct().Count());
        Assert.All(connections, connection => Assert.Same(handler.Endpoint, connection.Endpoint));
        Assert.Throws<ArgumentException>(() => handler.Endpoint.Broadcast("a\nb"u8));
        Assert.Equal(2, handler.Endpoint.Broadcast("to all"u8));
        Assert.Equal("to all", await first.ReceiveLineAsync());
        Assert.Equal("to all", await second.ReceiveLineAsync());

        await first.ShutdownAsync();
        await first.ReceiveTextToEndAsync();
        await Poll.UntilAsync(() => handler.Endpoint.ConnectionCount == 1);
        Assert.Equal(1, handler.Endpoint.Broadcast("to the rest"u8));
        Assert.Equal("to the rest", await second.ReceiveLineAsync());
        Assert.Single(handler.Endpoint.Connections);
    }

    [Theory]
    [ClassData<EveryEndpointKind>]
    public async Task The_handler_learns_of_the_start_and_may_say_goodbye(EndpointKind kind)
    {
        var handler = new EndpointHandler();
        await using var endpoint = await FrameServer.StartAsync(kind, handler);
        Assert.Equal("started", Assert.Single(handler.Events));
        using var peer = await endpoint.ConnectAsync();
        await Poll.UntilAsync(() => handler.Endpoint.ConnectionCount > 0);
        await endpoint.StopAsync();
        Assert.Equal("goodbye\n", await peer.ReceiveTextToEndAsync());
        Assert.Equal(["started", "stopping"], handler.Events);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task A_handler_that_was_made_is_disposed_with_its_scope_when_the_server_has_stopped(
        bool isAsynchronous)
    {
        var log = new DisposalLog();
        var endpoint = await FrameServer.StartAsync(
            EndpointKind.EventLoop,
            listen =>
            {
                var withCodec = listen.UseFrameCodec(FrameCodec.Line(100));
                _ = isAsynchronous
                    ? withCodec.UseFrameHandler<AsyncDisposableHandler>()
                    : withCodec.UseFrameHandler<DisposableHandler>();
            },
            services => services.AddSingleton(log).AddScoped<ScopedService>());
        using var peer = await endpoint.ConnectAsync();
        await peer.SendAsync("a\n");
        Assert.Equal("answer", await peer.ReceiveLineAsync());
        Assert.Empty(log.Disposed);
        await endpoint.StopAsync();
        Assert.Equal(["handler", "scoped service"], log.Disposed);
        await endpoint.DisposeAsync();
        Assert.Equal(2, log.Disposed.Count);
    }

    [Fact]
    public async Task A_registered_handler_belongs_to_the_services()
    {
        var log = new DisposalLog();
        var endpoint = await FrameServer.StartAsync(
            EndpointKind.EventLoop,
            static listen => listen.UseFrameCodec(FrameCodec.Line(100)).UseFrameHandler<DisposableHandler>(),
            services => services.AddSingleton(log).AddSingleton<ScopedService>().AddSingleton<DisposableHandler>());
        await endpoint.StopAsync();
        Assert.Empty(log.Disposed);
        await endpoint.DisposeAsync();
        Assert.Equal(["handler", "scoped service"], log.Disposed);
    }

    [Fact]
    public async Task A_connection_has_services_of_its_own_until_it_has_ended()
    {
        var log = new DisposalLog();
        ScopedService? service = null;
        var handler = new Recorder
        {
            Frame = (connection, _) =>
            {
                service = connection.Services.GetRequiredService<ScopedService>();
                connection.Write("answer"u8);
                return default;
            },
            Disconnected = (connection, _) =>
            {
                Assert.Same(service, connection.Services.GetRequiredService<ScopedService>());
                Assert.Empty(log.Disposed);
                return default;
            },
        };
        await using var endpoint = await FrameServer.StartAsync(
            EndpointKind.EventLoop,
            listen => listen.UseFrameCodec(FrameCodec.Line(100)).UseFrameHandler(handler),
            services => services.AddSingleton(log).AddScoped<ScopedService>());
        using var peer = await endpoint.ConnectAsync();
        await peer.SendAsync("a\n");
        Assert.Equal("answer", await peer.ReceiveLineAsync());
        var connection = await handler.Connection;
        await peer.ShutdownAsync();
        await peer.ReceiveTextToEndAsync();
        await endpoint.StopAsync();
        Assert.Equal("scoped service", Assert.Single(log.Disposed));
        Assert.Throws<ObjectDisposedException>(() => connection.Services.GetService<DisposalLog>());
    }

    [Fact]
    public async Task Services_that_are_created_while_the_connection_ends_are_disposed()
    {
        using var scopes = new SlowScopes();
        var handler = new Recorder();
        var peer = new InlineConnection(FrameCodec.Line(100));
        var running = peer.RunAsync(handler, services: scopes);
        var connection = await handler.Connection;
        var getting = Task.Run(() => connection.Services);
        await scopes.Creating.DefaultTimeout();

        peer.End();
        await running.DefaultTimeout();
        scopes.Create();

        await Assert.ThrowsAsync<ObjectDisposedException>(() => getting.DefaultTimeout());
        Assert.Equal(1, scopes.Disposals);
        Assert.Throws<ObjectDisposedException>(() => connection.Services);
    }

    private sealed class EndpointHandler : FrameHandler
    {
        private readonly TaskCompletionSource<FrameEndpoint> _endpoint = Recorder.NewSource<FrameEndpoint>();

        public List<string> Events { get; } = [];

        public FrameEndpoint Endpoint => _endpoint.Task.Result;

        protected internal override void OnStarted(FrameEndpoint endpoint)
        {
            Events.Add("started");
            _endpoint.SetResult(endpoint);
        }

        protected internal override void OnStopping(FrameEndpoint endpoint)
        {
            Events.Add("stopping");
            endpoint.Broadcast("goodbye"u8);
        }

        protected internal override ValueTask OnFrameAsync(FrameConnection connection, ReadOnlySequence<byte> frame)
            => default;
    }

    /// <summary>Services whose scopes are created when the test says so.</summary>
    private sealed class SlowScopes : IServiceProvider, IServiceScopeFactory, IDisposable
    {
        private readonly TaskCompletionSource<bool> _creating = Recorder.NewSource<bool>();
        private readonly ManualResetEventSlim _created = new();

        public Task Creating => _creating.Task;

        public int Disposals { get; private set; }

        public void Create() => _created.Set();

        public object? GetService(Type serviceType) => serviceType == typeof(IServiceScopeFactory) ? this : null;

        public IServiceScope CreateScope()
        {
            _creating.TrySetResult(true);
            Assert.True(_created.Wait(TaskTimeoutExtensions.Default));
            return new Scope(this);
        }

        public void Dispose() => _created.Dispose();

        private sealed class Scope(SlowScopes scopes) : IServiceScope
        {
            public IServiceProvider ServiceProvider => scopes;

            public void Dispose() => scopes.Disposals++;
        }
    }

    private sealed class DisposalLog
    {
        public List<string> Disposed { get; } = [];
    }

    private sealed class ScopedService(DisposalLog log) : IDisposable
    {
        public void Dispose() => log.Disposed.Add("scoped service");
    }

    private abstract class AnsweringHandler : FrameHandler
    {
        protected internal override ValueTask OnFrameAsync(FrameConnection connection, ReadOnlySequence<byte> frame)
        {
            connection.Write("answer"u8);
            return default;
        }
    }

    private sealed class DisposableHandler(DisposalLog log, ScopedService service) : AnsweringHandler, IDisposable
    {
        public void Dispose()
        {
            GC.KeepAlive(service);
            log.Disposed.Add("handler");
        }
    }

    private sealed class AsyncDisposableHandler(
        DisposalLog log, ScopedService service) : AnsweringHandler, IAsyncDisposable
    {
        public async ValueTask DisposeAsync()
        {
            await Task.Yield();
            GC.KeepAlive(service);
            log.Disposed.Add("handler");
        }
    }
}
