using System.Text;
using Microsoft.AspNetCore.Http;

namespace KestrelEventLoopTransport.Tests.Ending;

/// <summary>A request that comes in one segment with the FIN, on a fresh connection.</summary>
[Trait("Contract", "20")]
public sealed class RequestWithFinTests
{
    private const int IPPROTO_TCP = 6;
    private const int TCP_CORK = 3;
    private const int Requests = 200;

    // Better than stock, which has told Kestrel of the end before the response is out: it answers one of a hundred.
    [Theory]
    [ClassData<EveryScheduling>]
    [FailsOnStock(
        "Stock tells Kestrel of the FIN before the response is out: it answers about one request in a hundred.")]
    public async Task It_is_answered(ApplicationScheduling scheduling)
    {
        await using var server = await TestServer.StartHttpAsync(
            scheduling, static http => http.Response.WriteAsync("hello"));
        var answered = 0;

        for (var i = 0; i < Requests; i++)
        {
            using var client = await server.ConnectAsync();

            // Held back until the FIN goes with it.
            client.Socket.SetRawSocketOption(IPPROTO_TCP, TCP_CORK, BitConverter.GetBytes(1));
            await client.SendAsync("GET / HTTP/1.1\r\nHost: h\r\n\r\n");
            client.ShutdownSend();
            var response = Encoding.ASCII.GetString(await client.ReceiveToEndAsync());
            answered += response.EndsWith("hello\r\n0\r\n\r\n", StringComparison.Ordinal) ? 1 : 0;
        }

        // Kestrel may hear of the end before a thread that the machine keeps waiting has answered.
        Assert.InRange(answered, Requests * 3 / 4, Requests);
    }

    // What is certain on both: a raw handler gets the bytes, then the end, and its answer arrives.
    [Theory]
    [ClassData<EveryScheduling>]
    public async Task A_raw_handler_answers_it(ApplicationScheduling scheduling)
    {
        await using var server = await TestServer.StartAsync(scheduling, Echo.RunAsync);

        for (var i = 0; i < Requests; i++)
        {
            using var client = await server.ConnectAsync();
            client.Socket.SetRawSocketOption(IPPROTO_TCP, TCP_CORK, BitConverter.GetBytes(1));
            await client.SendAsync("a line\n");
            client.ShutdownSend();

            Assert.Equal("a line\n", Encoding.ASCII.GetString(await client.ReceiveToEndAsync()));
        }
    }
}
