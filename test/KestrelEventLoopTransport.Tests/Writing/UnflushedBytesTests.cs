using System.Text;
using System.Text.Json;
using Microsoft.AspNetCore.Http;

namespace KestrelEventLoopTransport.Tests.Writing;

[Trait("Contract", "25")]
public sealed class UnflushedBytesTests
{
    [Theory]
    [ClassData<EveryScheduling>]
    public async Task UnflushedBytes_counts_what_was_advanced_and_not_flushed(ApplicationScheduling scheduling)
    {
        await using var transport = new TestTransport(scheduling);
        await using var pair = await transport.ConnectAsync();
        var output = pair.Output;
        Assert.True(output.CanGetUnflushedBytes);
        Assert.Equal(0, output.UnflushedBytes);

        output.GetMemory(10);
        Assert.Equal(0, output.UnflushedBytes);
        output.Advance(10);
        Assert.Equal(10, output.UnflushedBytes);
        output.GetMemory(10_000);
        output.Advance(9000);
        Assert.Equal(9010, output.UnflushedBytes);

        await output.FlushAsync().DefaultTimeout();
        Assert.Equal(0, output.UnflushedBytes);
        await output.WriteAsync(Pattern.Create(70_000)).DefaultTimeout();
        Assert.Equal(0, output.UnflushedBytes);
        Assert.Equal(79_010, (await pair.Client.ReceiveExactlyAsync(79_010)).Length);
    }

    [Theory]
    [ClassData<EveryScheduling>]
    public async Task JsonSerializer_writes_to_the_connection(ApplicationScheduling scheduling)
    {
        var document = Enumerable.Range(0, 20_000).ToArray();
        await using var server = await TestServer.StartAsync(
            scheduling,
            connection => JsonSerializer.SerializeAsync(connection.Transport.Output, document));
        using var client = await server.ConnectAsync();

        Assert.Equal(document, JsonSerializer.Deserialize<int[]>(await client.ReceiveToEndAsync()));
    }

    [Theory]
    [ClassData<EveryScheduling>]
    public async Task WriteAsJsonAsync_works_through_Kestrel(ApplicationScheduling scheduling)
    {
        await using var server = await TestServer.StartHttpAsync(scheduling, static http =>
        {
            http.Response.Headers.Connection = "close";
            return http.Response.WriteAsJsonAsync(new { message = new string('x', 50_000) });
        });
        using var client = await server.ConnectAsync();
        await client.SendAsync("GET / HTTP/1.1\r\nHost: h\r\n\r\n");

        var response = Encoding.ASCII.GetString(await client.ReceiveToEndAsync());

        Assert.StartsWith("HTTP/1.1 200 OK\r\n", response);
        Assert.Equal(
            50_000, response[response.IndexOf("\r\n\r\n", StringComparison.Ordinal)..].Count(static c => c == 'x'));
        Assert.EndsWith("0\r\n\r\n", response);
    }
}
