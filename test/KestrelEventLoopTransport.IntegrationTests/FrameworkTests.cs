using System.Net.Http.Json;
using System.Net.WebSockets;
using System.Text;
using System.Text.Json;
using KestrelEventLoopTransport.IntegrationTests.Server;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.SignalR;
using Microsoft.Extensions.DependencyInjection;

namespace KestrelEventLoopTransport.IntegrationTests;

/// <summary>What stands above HTTP: MVC controllers, and SignalR spoken by hand over a WebSocket.</summary>
public sealed class FrameworkTests
{
    // The end of a message in SignalR's JSON hub protocol.
    private const char RecordSeparator = '\u001e';

    [Theory(Timeout = HangGuard.Milliseconds)]
    [ClassData<EverySchedulingAndProtocol>]
    public async Task Controllers_bind_validate_and_answer(ApplicationScheduling scheduling, ClientProtocol protocol)
    {
        await using var server = await ProtocolServer.StartAsync(
            scheduling,
            2,
            static app => app.MapControllers(),
            static services => services.AddControllers().AddApplicationPart(typeof(GreetingController).Assembly));
        using var client = server.CreateClient(protocol);

        for (var i = 0; i < 20; i++)
        {
            using var response = await client.PostAsJsonAsync(
                $"/greeting/{i}", new Greeting { Name = $"caller {i}" }, HangGuard.Token);
            response.EnsureSuccessStatusCode();
            var answer = await response.Content.ReadFromJsonAsync<Greeting>(HangGuard.Token);
            Assert.Equal($"{i}: Hello, caller {i}!", answer!.Name);
        }

        using var invalid = await client.PostAsJsonAsync("/greeting/1", new Greeting(), HangGuard.Token);
        Assert.Equal(System.Net.HttpStatusCode.BadRequest, invalid.StatusCode);
    }

    [Theory(Timeout = HangGuard.Milliseconds)]
    [ClassData<EveryScheduling>]
    public async Task A_hub_calls_every_client_for_every_call_of_one(ApplicationScheduling scheduling)
    {
        const int Clients = 8;
        const int Calls = 20;
        await using var server = await ProtocolServer.StartAsync(
            scheduling,
            2,
            static app => app.MapHub<ChatHub>("/chat"),
            static services => services.AddSignalR());
        var sockets = new List<ClientWebSocket>();
        try
        {
            for (var i = 0; i < Clients; i++)
            {
                sockets.Add(await ConnectToHubAsync(server));
            }

            var receiving = sockets.ConvertAll(socket => ReceiveMessagesAsync(socket, Clients * Calls));
            await Task.WhenAll(sockets.Select(async (socket, sender) =>
            {
                for (var call = 0; call < Calls; call++)
                {
                    await SendAsync(socket, $$"""{"type":1,"target":"Say","arguments":["{{sender}}/{{call}}"]}""");
                }
            }));

            var expected = Enumerable.Range(0, Clients)
                .SelectMany(sender => Enumerable.Range(0, Calls).Select(call => $"{sender}/{call}"))
                .Order()
                .ToArray();
            foreach (var received in await Task.WhenAll(receiving))
            {
                Assert.Equal(expected, received.Order());
            }
        }
        finally
        {
            sockets.ForEach(static socket => socket.Dispose());
        }
    }

    private static async Task<ClientWebSocket> ConnectToHubAsync(ProtocolServer server)
    {
        var socket = new ClientWebSocket();
        await socket.ConnectAsync(new Uri($"ws://{server.Http1EndPoint}/chat"), HangGuard.Token);
        await SendAsync(socket, """{"protocol":"json","version":1}""");
        var buffer = new byte[16];
        var answer = await socket.ReceiveAsync(buffer.AsMemory(), HangGuard.Token);
        Assert.Equal("{}" + RecordSeparator, Encoding.UTF8.GetString(buffer, 0, answer.Count));
        return socket;
    }

    private static Task SendAsync(ClientWebSocket socket, string message)
        => socket.SendAsync(
            Encoding.UTF8.GetBytes(message + RecordSeparator), WebSocketMessageType.Text, true, HangGuard.Token);

    /// <summary>The arguments of the next calls from the hub; its pings are left out.</summary>
    private static async Task<List<string>> ReceiveMessagesAsync(ClientWebSocket socket, int count)
    {
        var messages = new List<string>();
        var text = new StringBuilder();
        var buffer = new byte[16 * 1024];
        while (messages.Count < count)
        {
            var received = await socket.ReceiveAsync(buffer.AsMemory(), HangGuard.Token);
            text.Append(Encoding.UTF8.GetString(buffer, 0, received.Count));
            var records = text.ToString().Split(RecordSeparator);
            text.Clear().Append(records[^1]);
            foreach (var record in records[..^1])
            {
                using var json = JsonDocument.Parse(record);
                if (json.RootElement.TryGetProperty("arguments", out var arguments))
                {
                    messages.Add(arguments[0].GetString()!);
                }
            }
        }

        return messages;
    }

    public sealed class ChatHub : Hub
    {
        public Task Say(string message) => Clients.All.SendAsync("said", message);
    }
}
