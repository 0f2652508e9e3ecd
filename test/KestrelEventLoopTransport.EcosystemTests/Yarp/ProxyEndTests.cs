using System.Net;

namespace KestrelEventLoopTransport.EcosystemTests.Yarp;

/// <summary>What YARP makes of ends that come too early, on either side of it.</summary>
public sealed class ProxyEndTests
{
    [Theory]
    [ClassData<EveryTransportAndProtocol>]
    public async Task A_server_that_is_gone_is_a_bad_gateway(TransportUnderTest transport, ClientProtocol protocol)
    {
        await using var server = await ProxiedServer.StartAsync(transport, protocol);
        await server.AssertServesAsync();

        await server.Backend.StopAsync();

        using var response = await server.Client.GetAsync("/hello").DefaultTimeout();
        Assert.Equal(HttpStatusCode.BadGateway, response.StatusCode);
    }

    [Theory]
    [ClassData<EveryTransportAndProtocol>]
    public async Task An_abort_before_the_answer_is_a_bad_gateway(TransportUnderTest transport, ClientProtocol protocol)
    {
        await using var server = await ProxiedServer.StartAsync(transport, protocol);

        using var response = await server.Client.GetAsync("/abort-head").DefaultTimeout();

        Assert.Equal(HttpStatusCode.BadGateway, response.StatusCode);
        await server.AssertServesAsync();
    }

    [Theory]
    [ClassData<EveryTransportAndProtocol>]
    public async Task An_abort_in_the_answer_fails_the_client_s_read(
        TransportUnderTest transport, ClientProtocol protocol)
    {
        await using var server = await ProxiedServer.StartAsync(transport, protocol);

        // The abort may overtake the beginning.
        var answer = server.Client.GetStringAsync("/abort-body");

        await Assert.ThrowsAsync<HttpRequestException>(() => answer).DefaultTimeout();
        await server.AssertServesAsync();
    }

    [Theory]
    [ClassData<EveryTransportAndProtocol>]
    public async Task The_server_sees_that_the_client_no_longer_waits(
        TransportUnderTest transport, ClientProtocol protocol)
    {
        await using var server = await ProxiedServer.StartAsync(transport, protocol);
        using var cancellation = new CancellationTokenSource();

        var answer = server.Client.GetAsync("/wait", cancellation.Token);

        await AssertServerSeesAsync(server, cancellation, answer);
    }

    [Theory]
    [ClassData<EveryTransportAndProtocol>]
    public async Task The_server_sees_that_the_client_leaves_in_its_body(
        TransportUnderTest transport, ClientProtocol protocol)
    {
        await using var server = await ProxiedServer.StartAsync(transport, protocol);
        using var cancellation = new CancellationTokenSource();
        using var content = new DuplexContent();

        var answer = server.Client.PostAsync("/wait-body", content, cancellation.Token);

        // YARP does not flush what is little.
        await content.WriteLineAsync(new string('a', 100_000));
        await AssertServerSeesAsync(server, cancellation, answer);
    }

    [Theory]
    [ClassData<EveryTransportAndProtocol>]
    public async Task The_server_sees_that_the_client_leaves_in_the_answer(
        TransportUnderTest transport, ClientProtocol protocol)
    {
        await using var server = await ProxiedServer.StartAsync(transport, protocol);
        await using (var stream = await server.Client.GetStreamAsync("/endless").DefaultTimeout())
        {
            await stream.ReadExactlyAsync(new byte[100_000]).AsTask().DefaultTimeout();
        }

        await server.Events.Aborted.Task.DefaultTimeout();
        await server.AssertServesAsync();
    }

    [Theory]
    [ClassData<EveryTransport>]
    public async Task The_server_sees_that_the_client_resets(TransportUnderTest transport)
    {
        await using var server = await ProxiedServer.StartAsync(transport, ClientProtocol.Http1);
        using var client = await server.ConnectAsync();
        await client.SendAsync("GET /wait HTTP/1.1\r\nHost: h\r\n\r\n");
        await server.Events.Waits.Task.DefaultTimeout();

        client.Reset();

        await server.Events.Aborted.Task.DefaultTimeout();
    }

    /// <summary>The client cancels a request in which the server waits.</summary>
    private static async Task AssertServerSeesAsync(
        ProxiedServer server, CancellationTokenSource cancellation, Task answer)
    {
        await server.Events.Waits.Task.DefaultTimeout();

        await cancellation.CancelAsync();

        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => answer).DefaultTimeout();
        await server.Events.Aborted.Task.DefaultTimeout();
        await server.AssertServesAsync();
    }
}
