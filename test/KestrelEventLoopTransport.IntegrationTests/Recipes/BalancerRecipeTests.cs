using System.Buffers.Binary;
using System.Net;
using KestrelEventLoopTransport.IntegrationTests.Tools;

namespace KestrelEventLoopTransport.IntegrationTests.Recipes;

/// <summary>What the README says of cloud providers: headers as their documentation has them.</summary>
[Trait("Poller", "epoll")]
public sealed class BalancerRecipeTests
{
    private const string Recipe = "Behind a cloud balancer";
    private const string Request = "GET /client HTTP/1.1\r\nHost: app\r\nConnection: close\r\n\r\n";

    // Provider, the field's type and value, and what our property says of it.
    public static TheoryData<string, byte, byte[], string> Providers => new()
    {
        { "AWS", 0xEA, [1, .. "vpce-08d2bf15fac5001c9"u8], "vpce-08d2bf15fac5001c9" },
        { "Azure", 0xEE, [1, 0x07, 0x02, 0x00, 0x10], "268435975" },
        { "Google", 0xE0, [0x00, 0x9B, 0x34, 0xD7, 0x0A, 0x00, 0x3C, 0x64], "43686719580552292" },
    };

    [Theory(Timeout = HangGuard.Milliseconds)]
    [MemberData(nameof(Providers))]
    public async Task A_provider_names_the_client_by_the_property_of_its_row(
        string provider, byte type, byte[] value, string expected)
    {
        var row = Assert.Single(
            Readme.Rows(Recipe), cells => cells[0].StartsWith(provider, StringComparison.Ordinal));
        var property = typeof(ProxyProtocolHeader).GetProperty(Assert.Single(Readme.CodeIn(row[2])))!;
        await using var server = await TestServer.StartAsync(new TestSettings
        {
            Scheduling = ApplicationScheduling.Adaptive,
            Transport = static options => options.EndpointDefaults.ProxyProtocol =
                new() { TrustedNetworks = { "127.0.0.0/8" } },
            Connection = async connection =>
            {
                var header = connection.Features.Get<IProxyProtocolFeature>()!.Header;
                await connection.Transport.Output.WriteAsync(System.Text.Encoding.ASCII.GetBytes(
                    FormattableString.Invariant($"{connection.RemoteEndPoint} {property.GetValue(header)}\n")));
            },
        });
        using var client = await server.ConnectAsync();

        await client.SendAsync(Header(isLocal: false, [type, 0, (byte)value.Length, .. value]));

        Assert.Equal($"203.0.113.7:41000 {expected}", await client.ReceiveLineAsync());
    }

    [Fact(Timeout = HangGuard.Milliseconds)]
    public async Task Health_checks_with_a_header_and_no_client_are_served()
    {
        await using var app = await RecipeApp.StartAsync(Readme.Block("Behind HAProxy", "json")
            .With("https://*:5001", "http://127.0.0.1:0")
            .With("10.0.0.0/24", "127.0.0.0/8"));
        byte[][] checks = [Header(isLocal: true), [.. "PROXY UNKNOWN\r\n"u8]];
        foreach (var check in checks)
        {
            using var client = await RawClient.ConnectAsync(app.EndPoint);
            await client.SendAsync(check);
            await client.SendAsync(Request);
            Assert.Contains("127.0.0.1 http app", await client.ReceiveTextToEndAsync(), StringComparison.Ordinal);
        }

        // A check without a header is not: it needs an endpoint of its own.
        using var bare = await RawClient.ConnectAsync(app.EndPoint);
        await bare.SendAsync(Request);
        await bare.ExpectResetAsync();
    }

    // Version 2 of the PROXY protocol, section 2.2 of its specification.
    private static byte[] Header(bool isLocal, params byte[] fields)
    {
        byte[] addresses = isLocal
            ? []
            : [.. IPAddress.Parse("203.0.113.7").GetAddressBytes(), 192, 0, 2, 1, 41000 >> 8, 41000 & 0xFF, 1, 0xBB];
        var length = new byte[2];
        BinaryPrimitives.WriteUInt16BigEndian(length, (ushort)(addresses.Length + fields.Length));
        return
        [
            .. "\r\n\r\n\0\r\nQUIT\n"u8, (byte)(isLocal ? 0x20 : 0x21), (byte)(isLocal ? 0 : 0x11), .. length,
            .. addresses, .. fields,
        ];
    }
}
