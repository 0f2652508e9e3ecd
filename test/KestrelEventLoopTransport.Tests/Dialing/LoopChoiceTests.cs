using System.Net;
using System.Net.Sockets;
using KestrelEventLoopTransport.Connections;
using Microsoft.AspNetCore.Connections;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.DependencyInjection;

namespace KestrelEventLoopTransport.Tests.Dialing;

/// <summary>Which loop serves a connection that a client opens.</summary>
[Trait("Contract", "client")]
[FailsOnStock("Stock's client is internal.")]
public sealed class LoopChoiceTests
{
    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task A_connection_goes_to_the_loop_that_it_is_opened_on(bool prefers)
    {
        EventLoopConnectionFactory? client = null;
        await using var target = await TestServer.StartAsync(ApplicationScheduling.Adaptive, Echo.RunAsync);
        await using var server = await TestServer.StartAsync(new TestSettings
        {
            Scheduling = ApplicationScheduling.Inline,
            Transport = static options => options.EventLoopCount = 4,
            Client = options => options.PrefersCallingLoop = prefers,
            Connection = async connection =>
            {
                await connection.ReadByteAsync();
                var loop = ((StreamConnection)connection).Loop;
                var isOnLoop = loop.IsCurrent;
                await using var dialed = await client!.ConnectAsync(target.EndPoint);
                var isSame = ((StreamConnection)dialed).Loop == loop;
                var place = isOnLoop ? (isSame ? "same"u8 : "not the same"u8) : "?"u8;
                await connection.Transport.Output.WriteAsync(place[..1].ToArray());
            },
        });
        client = server.Services.GetRequiredService<EventLoopConnectionFactory>();
        var places = "";
        await Poll.UntilAsync(async () =>
        {
            using var peer = await server.ConnectAsync();
            await peer.SendAsync(new byte[] { 1 });
            places += await peer.ReceiveTextAsync(1);
            return places.Length >= 12 && places.Contains(prefers ? 's' : 'n', StringComparison.Ordinal);
        });

        Assert.Equal(!prefers, places.Contains('n', StringComparison.Ordinal));
    }

    [Theory]
    [ClassData<EveryScheduling>]
    public async Task A_connection_goes_to_the_loop_that_the_call_names(ApplicationScheduling scheduling)
    {
        await using var transport = CreateWithFourLoops(scheduling);
        var listener = await transport.BindAsync();
        foreach (var loop in await FindLoopsAsync(transport))
        {
            var options = new EventLoopConnectOptions { Loop = loop };

            // Not on a loop, as the code of HttpClient that connects.
            await using var dialed = await Task.Run(
                () => transport.Client.ConnectAsync(listener.EndPoint, options).DefaultTimeout());
            await using var accepted = await listener.AcceptAsync().DefaultTimeout();

            Assert.Same(loop, dialed.Features.Get<IEventLoopFeature>());
        }
    }

    [Fact]
    public async Task An_enrolled_handle_goes_to_the_loop_that_the_call_names()
    {
        await using var transport = CreateWithFourLoops(ApplicationScheduling.Adaptive);
        var listener = await transport.BindAsync();
        using var client = await RawClient.ConnectAsync(listener.EndPoint);
        var endPoint = new FileHandleEndPoint((ulong)client.Socket.Handle, FileHandleType.Auto);
        foreach (var loop in await FindLoopsAsync(transport))
        {
            await using var enrolled = await transport.Client.ConnectAsync(
                endPoint, new EventLoopConnectOptions { Loop = loop });

            Assert.Same(loop, enrolled.Features.Get<IEventLoopFeature>());
        }
    }

    [Fact]
    public async Task A_loop_of_other_services_is_ignored()
    {
        await using var transport = CreateWithFourLoops(ApplicationScheduling.Adaptive);
        await using var other = CreateWithFourLoops(ApplicationScheduling.Adaptive);
        var own = await FindLoopsAsync(transport);
        var foreign = (await FindLoopsAsync(other))[0];
        var listener = await transport.BindAsync();

        await using var dialed = await transport.Client.ConnectAsync(
            listener.EndPoint, new EventLoopConnectOptions { Loop = foreign }).DefaultTimeout();

        Assert.Contains(dialed.Features.Get<IEventLoopFeature>()!, own);
    }

    // The server is not of the transport, so that the loops have the client's connections alone.
    [Fact]
    public async Task A_connection_of_HttpClient_goes_to_the_loop_of_its_request()
    {
        const int Requests = 8;
        await using var transport = CreateWithFourLoops(ApplicationScheduling.Adaptive);
        await using var server = await TestServer.StartAsync(new TestSettings
        {
            Scheduling = ApplicationScheduling.Adaptive,
            App = static http => http.Response.WriteAsync("Hello"),
            UsesStock = true,
        });
        var loop = (await FindLoopsAsync(transport))[2];
        var monitor = transport.Services.GetRequiredService<EventLoopTransportMonitor>();
        var before = monitor.GetLoopStatistics().Select(static loop => loop.TotalConnections).ToArray();

        for (var i = 0; i < Requests; i++)
        {
            using var client = new HttpClient(
                LoopbackHttpClient.CreateHandler().UseConnectionFactory(transport.Client));
            using var request = new HttpRequestMessage(HttpMethod.Get, $"http://{server.EndPoint}/");
            request.SetEventLoop(loop);
            using var response = await client.SendAsync(request).DefaultTimeout();
            Assert.Equal("Hello", await response.Content.ReadAsStringAsync().DefaultTimeout());
        }

        before[loop.Index] += Requests;
        Assert.Equal(before, monitor.GetLoopStatistics().Select(static loop => loop.TotalConnections));
    }

    private static TestTransport CreateWithFourLoops(ApplicationScheduling scheduling)
        => new(scheduling, static options => options.EventLoopCount = 4);

    /// <summary>All loops of a transport, in their order.</summary>
    private static async Task<IEventLoopFeature[]> FindLoopsAsync(TestTransport transport)
    {
        var loops = new SortedList<int, IEventLoopFeature>();
        while (loops.Count < 4)
        {
            // On the pool: after a dial this goes on on its loop, and the next would have the same.
            var (connection, _) = await Task.Run(transport.DialAsync);
            var loop = connection.Features.Get<IEventLoopFeature>()!;
            loops[loop.Index] = loop;
        }

        return [.. loops.Values];
    }
}
