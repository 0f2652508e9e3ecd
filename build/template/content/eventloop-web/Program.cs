var builder = WebApplication.CreateSlimBuilder(args);

// Its options can also be set in appsettings.json, in the section Kestrel:EventLoopTransport.
builder.WebHost.UseEventLoopTransport();

var app = builder.Build();
app.MapGet("/", () => "Hello, World!");

// The loops and their connections. Without a policy it answers only on this machine.
app.MapEventLoopStatus("/loops");

app.Run();
